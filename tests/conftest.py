"""Where the real corpora and the real encoder are, how Hypothesis draws, and for how long."""

from __future__ import annotations

import gc
import inspect
import logging
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# A shell's background processes ignore Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "tfner", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "fuzz",
    deadline=None,
    max_examples=500,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("tfner")


@pytest.fixture(autouse=True)
def log_left_as_found():
    """Refuse a test that leaves the log set up: what later ones catch would depend on it."""
    yield
    assert logging.getLogger("tfner").level == logging.NOTSET


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """Make a workshop, in whose folder the test runs."""
    from workshop import Workshop

    monkeypatch.chdir(tmp_path)
    return Workshop(tmp_path)


@pytest.fixture
def line(capsys, monkeypatch):
    """Give the command line: `line("predict", MODEL, FILE)`."""
    from command_line import CommandLine

    return CommandLine(capsys, monkeypatch)


def pytest_addoption(parser):
    about = (
        "put other examples to every property for so long, and to the fuzzers of the tests "
        "marked fuzz"
    )
    parser.addoption("--fuzz-seconds", type=float, default=0.0, metavar="S", help=about)


def pytest_configure(config):
    if config.getoption("--fuzz-seconds"):
        settings.load_profile("fuzz")


def pytest_collection_finish():
    """Keep the garbage collector from walking through TensorFlow again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """With --fuzz-seconds, call a property again, with other examples, until its time is over."""
    seconds, test = pyfuncitem.config.getoption("--fuzz-seconds"), pyfuncitem.obj
    if not seconds or not getattr(test, "is_hypothesis_test", False):
        return None
    inner, tried, end = test.hypothesis.inner_test, 0, time.monotonic() + seconds

    def count(*arguments, **named):
        nonlocal tried
        tried += 1
        return inner(*arguments, **named)

    test.hypothesis.inner_test = count
    try:
        while time.monotonic() < end:
            test(**{name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters})
    finally:
        test.hypothesis.inner_test = inner
        pyfuncitem.user_properties.append(("examples", tried))
    return True


def pytest_terminal_summary(terminalreporter):
    reports = [
        report
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
    ]
    for report in reports:
        for name, value in report.user_properties:
            if name == "examples":
                terminalreporter.write_line(f"{value:>9,} examples  {report.nodeid}")


def folder_named_by(variable: str) -> Path:
    """The folder in an environment variable; skips the test where it is not set."""
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set: it names the folder this test reads")
    return Path(value)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The published corpora, a folder each."""
    return folder_named_by("TFNER_DATA")


@pytest.fixture(scope="session")
def encoder_dir() -> Path:
    """A pretrained BERT checkpoint: config.json, vocab.txt, tokenizer.json, model.safetensors."""
    return folder_named_by("TFNER_ENCODER")


@pytest.fixture(scope="session")
def multilingual_dir() -> Path:
    """Name a pretrained BERT checkpoint with XLM-R's pieces: config.json, sentencepiece.bpe.model,
    model.safetensors.
    """
    return folder_named_by("TFNER_MULTILINGUAL")
