"""Where the real corpora and the real encoder are, and how Hypothesis draws."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

settings.register_profile("tfner", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tfner")


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
