"""The log: one event one line, as text and as JSON."""

from __future__ import annotations

import inspect
import io
import json
import logging
import sys
import warnings

import pytest
from command_line import log_as_before
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tfner.commands import messages, run, with_log_option
from tfner.exceptions import DataError
from tfner.monitoring import progress
from tfner.monitoring.events import JsonLine, events, log_event, log_uncaught, set_up_log
from tfner.monitoring.progress import track
from tfner.train import train

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """The log of the process is pytest's again afterwards."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.delenv("TFNER_LOG", raising=False)
    with log_as_before():
        yield


@pytest.fixture
def stream():
    return io.StringIO()


@pytest.fixture
def json_stream(stream, monkeypatch):
    monkeypatch.setenv("TFNER_LOG", "json")
    set_up_log(stream)
    return stream


def lines_of(stream):
    """Every line is an object, or this fails."""
    return [
        json.loads(line, parse_constant=pytest.fail) for line in stream.getvalue().split("\n")[:-1]
    ]


def test_as_text_a_message_is_a_line_and_events_are_left_to_the_console(stream):
    set_up_log(stream)
    logging.getLogger("tfner.x").info("2 entities\nERROR forged \x1b[31m")
    logging.getLogger("other").info("not shown")
    log_event("step", step=1)
    assert stream.getvalue() == "INFO 2 entities␊ERROR forged ␛[31m\n"


def test_as_json_events_have_their_fields_and_messages_their_text(json_stream):
    log_event("step", step=3, loss=float("nan"), shares=[0.5, float("-inf")])
    logging.getLogger("tfner.x").warning("lost %d\nof %s", 2, "π")
    step, message = lines_of(json_stream)
    assert step.pop("time").endswith("Z")
    assert step == {
        "level": "info",
        "event": "step",
        "step": 3,
        "loss": "nan",
        "shares": [0.5, "-inf"],
    }
    assert (message["event"], message["logger"], message["level"]) == (
        "message",
        "tfner.x",
        "warning",
    )
    assert message["message"] == "lost 2\nof π"


@given(st.dictionaries(st.text(), PLAIN))
def test_whatever_the_fields_an_event_is_one_line_of_json(fields):
    record = logging.LogRecord("x", logging.INFO, "x", 1, "%s", ("\n",), None)
    record.__dict__.update(event="any", fields=fields)
    line = JsonLine().format(record)
    assert "\n" not in line
    assert line.isascii()
    assert set(map(str, fields)) <= set(json.loads(line, parse_constant=pytest.fail))


def test_an_error_nobody_expected_is_a_line_with_its_traceback(json_stream):
    try:
        raise ValueError("a\nb")
    except ValueError:
        sys.excepthook(*sys.exc_info())
    assert sys.excepthook is log_uncaught
    (line,) = lines_of(json_stream)
    assert (line["level"], line["message"]) == ("critical", "a\nb")
    assert line["traceback"].startswith("Traceback")


def test_warnings_of_libraries_stay_quiet(json_stream):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert json_stream.getvalue() == ""


def test_progress_is_an_event_where_the_console_is_quiet(json_stream, monkeypatch):
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    shown = io.StringIO()
    assert list(
        track(iter("ab"), Console(file=shown, force_terminal=True, quiet=True), "letters", 2)
    ) == ["a", "b"]
    first, last = lines_of(json_stream)
    assert (first["event"], first["what"], first["done"], last["done"], last["total"]) == (
        "progress",
        "letters",
        1,
        2,
        2,
    )
    assert last["seconds"] > 0
    assert shown.getvalue() == ""


def test_other_programs_take_events_from_logging():
    found = []
    handler = logging.Handler()
    handler.emit = found.append
    events.addHandler(handler)
    try:
        log_event("epoch", loss=0.5)
    finally:
        events.removeHandler(handler)
    assert (found[0].event, found[0].fields, found[0].getMessage()) == (
        "epoch",
        {"loss": 0.5},
        "epoch loss=0.5",
    )


def as_program(monkeypatch, command, *arguments):
    """Run a command as `python -m` does; its exit code."""
    monkeypatch.setattr(sys, "argv", ["x", *arguments])
    with pytest.raises(SystemExit) as end:
        run(command)
    return end.value.code


def refuse(name: str = "x") -> None:
    """A command that finds a mistake."""
    messages().print("for people")
    raise DataError(f"{name}: no such file")


@pytest.mark.parametrize("way", ["option", "variable"])
def test_a_command_tells_its_error_as_json(monkeypatch, capsys, way):
    monkeypatch.setenv("TFNER_LOG", "json" if way == "variable" else "text")
    assert as_program(monkeypatch, refuse, *(["--log-json"] if way == "option" else [])) == 2
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["message"], line["exit_code"]) == (
        "error",
        "error",
        "x: no such file",
        2,
    )


def test_a_command_tells_its_error_as_text(monkeypatch, capsys):
    assert as_program(monkeypatch, refuse) == 2
    assert capsys.readouterr().err == "for people\nerror: x: no such file\n"


def test_the_option_is_added_to_what_a_command_has():
    own, all_of_them = (
        inspect.signature(command).parameters for command in (train, with_log_option(train))
    )
    assert list(all_of_them) == [*own, "log_json"]
