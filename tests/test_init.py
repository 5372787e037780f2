"""`init` writes configurations that load, with what is known of the data as comments."""

from __future__ import annotations

import io
import sys

import pytest
import yaml
from command_line import refused

from tfner.config import load_settings


@pytest.fixture
def shop(shop):
    shop.checkpoint()
    return shop


class Terminal(io.StringIO):
    """Standard input where somebody types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("shop")
class TestConfiguration:
    def test_is_what_was_asked_for_and_loads(self, line, tmp_path):
        options = ("--dev", "dev.conll", "--encoder", "checkpoint", "--name", "news")
        result = line("init", "train.conll", *options)
        assert (result.code, result.stderr) == (0, "")
        assert result.stdout.endswith("written: news.yaml; python -m tfner.train news.yaml\n")
        settings = load_settings("news.yaml")
        assert (settings.name, settings.encoder.checkpoint) == ("news", "checkpoint")
        assert (settings.data.train, settings.data.dev) == ("train.conll", "dev.conll")
        text = (tmp_path / "news.yaml").read_text(encoding="utf-8")
        assert yaml.safe_load(text)["encoder"]["max_length"] == 128
        assert "  # 2 documents, 6 entities: PER 4, LOC 2.\n  train: train.conll\n" in text
        assert "  # 95 of 100 documents have at most 5 pieces, the longest 5.\n" in text
        assert "# Training makes 300 updates" in text
        assert "# error: 1 of 1 document of dev.conll is in train.conll too" not in text
        assert "# error: 1 of 1 document of dev is in train too" in text

    def test_takes_dev_from_train_where_nothing_is_said(self, shop, line, tmp_path):
        sentences = [f"anna B-PER\nmet O\n{'x' * length} O\n" for length in range(1, 21)]
        shop.file("all.conll", "\n".join(sentences))
        result = line("init", "all.conll", "--encoder", "checkpoint")
        said = "INFO data.dev: 10% of data.train: 2 of 20 documents, 2 of 20 entities\n"
        assert (result.code, result.stderr) == (0, said)
        text = (tmp_path / "all.yaml").read_text(encoding="utf-8")
        assert load_settings("all.yaml").data.dev == "10%"
        assert "  # 18 documents, 18 entities: PER 18.\n" in text
        assert "  # 2 documents, 2 entities: PER 2. Taken from data.train" in text

    def test_draws_the_weights_of_an_encoder_that_has_none(self, line, tmp_path):
        options = ("--dev", "dev.conll", "--encoder", "embedded:quickstart/encoder")
        assert line("init", "train.conll", *options, "--name", "news").code == 0
        assert load_settings("news.yaml").encoder.initialize == "random"
        text = (tmp_path / "news.yaml").read_text(encoding="utf-8")
        assert "# The encoder of the quickstart has no weights. Name a pretrained one" in text

    def test_keeps_the_options_of_reading_that_were_given(self, shop, line):
        shop.file("t.txt", "anna B-PER x\n\nboris B-PER x\n\nmet O x\n")
        options = ("--format", "columns", "--dev", "none", "--encoder", "checkpoint")
        result = line("init", "t.txt", *options, "--tag-column", "1")
        assert (result.code, result.stderr) == (0, "")
        data = load_settings("t.yaml").data
        assert (data.format, data.tag_column, data.scheme, data.dev) == ("columns", 1, "auto", None)

    def test_a_terminal_is_asked_for_what_is_missing(self, line, monkeypatch):
        answers = Terminal("train.conll\ndev.conll\ncheckpoint\n")
        monkeypatch.setattr(sys, "stdin", answers)
        result = line("init", "--to", "asked.yaml")
        assert result.code == 0
        settings = load_settings("asked.yaml")
        assert (settings.data.train, settings.data.dev) == ("train.conll", "dev.conll")
        assert settings.encoder.checkpoint == "checkpoint"


@pytest.mark.usefixtures("shop")
class TestRefusals:
    def test_what_is_missing_is_named_where_nobody_can_be_asked(self, line):
        refused(line("init"), "command line: TRAIN: marked texts to learn from, is required")
        expected = "command line: --encoder: checkpoint to begin with (folder or hub name)"
        refused(line("init", "train.conll"), f"{expected}, is required")

    def test_a_file_that_is_there_is_kept(self, line, tmp_path):
        before = (tmp_path / "run.yaml").read_bytes()
        asked = ("init", "train.conll", "--encoder", "checkpoint", "--to", "run.yaml")
        expected = "expected no file of that name, got one; or add --overwrite"
        refused(line(*asked), f"run.yaml: {expected}")
        assert (tmp_path / "run.yaml").read_bytes() == before
        assert line(*asked, "--overwrite", "--dev", "none").code == 0
        assert (tmp_path / "run.yaml").read_bytes() != before

    def test_data_that_cannot_be_read_leave_no_file(self, line, tmp_path):
        result = line("init", "none.conll", "--encoder", "checkpoint", "--to", "new.yaml")
        refused(result, "none.conll: …")
        assert not (tmp_path / "new.yaml").exists()
