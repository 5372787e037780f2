"""`inspect` as a command: verdicts at its end, a page, and the exit code that is asked for."""

from __future__ import annotations

import pytest
from command_line import refused


@pytest.fixture
def shop(shop):
    shop.checkpoint()
    return shop


def names(result):
    """Give what is said behind the line that counts verdicts."""
    lines = result.stdout.splitlines()
    begin = next(i for i, each in enumerate(lines) if each.startswith("verdicts: "))
    return lines[begin:]


@pytest.mark.usefixtures("shop")
class TestVerdicts:
    def test_files_end_with_verdicts_the_worst_first(self, line):
        result = line("inspect", "train.conll", "dev.conll")
        assert (result.code, result.stderr) == (0, "")
        summary, worst, few, *_ = names(result)
        assert summary == "verdicts: 1 error, 1 warning"
        assert worst.startswith("error: 1 of 1 document of dev.conll is in train.conll too (1 word")
        assert '"anna met boris in oslo" (dev.conll:1 = train.conll:1)' in worst
        assert few.startswith("warning: 2 types have fewer than 50 examples in train.conll: LOC 2")

    def test_a_configuration_has_the_updates_of_its_training_too(self, line):
        result = line("inspect", "run.yaml")
        assert (result.code, result.stderr) == (0, "")
        assert "training makes 1 update: 1 epoch of 1" in result.stdout
        assert any(
            each.startswith("error: The settings make 1 update, fewer") for each in names(result)
        )

    def test_the_vocabulary_is_judged_where_one_is_named(self, shop, line):
        rare = "☃ O\nanna B-PER\n"
        shop.file("rare.conll", rare)
        assert (
            "does not know 1 character"
            in line("inspect", "rare.conll", "--encoder", "checkpoint").stdout
        )
        without = line("inspect", "rare.conll").stdout
        assert "does not know" not in without
        assert "name one with --encoder" in without

    def test_a_page_is_written_where_it_is_asked_for(self, shop, line):
        result = line("inspect", "train.conll", "dev.conll", "--html", "new/page.html")
        assert result.code == 0
        html = (shop.folder / "new/page.html").read_text("utf-8")
        assert "anna met boris in oslo" in html
        assert "fewer than 50 examples" in html

    def test_a_split_is_not_compared_with_itself(self, line):
        expected = "dev.conll: expected different splits, got it twice"
        refused(line("inspect", "dev.conll", "train.conll", "dev.conll"), expected)

    def test_what_has_no_marks_is_counted_and_judged(self, shop, line):
        shop.file("bare.jsonl", '{"text": "anna met boris"}\n')
        result = line("inspect", "bare.jsonl")
        assert (result.code, result.stderr) == (0, "")
        expected = "error: bare.jsonl has no entity to learn from. Check the format, the scheme"
        assert any(each.startswith(expected) for each in names(result))

    def test_cases_are_listed_on_demand(self, line):
        listed = line("inspect", "train.conll", "dev.conll", "--list").stdout
        cases = [each.split() for each in listed.splitlines()[-2:]]
        assert cases[0] == ["few", "examples", "LOC", "2", "train.conll:1"]
        assert cases[1] == ["few", "examples", "PER", "4", "train.conll:1"]


@pytest.mark.usefixtures("shop")
class TestTheExitCode:
    @pytest.mark.parametrize(
        ("severity", "code"), [("error", 0), ("warning", 1), ("hint", 1), (None, 0)]
    )
    def test_is_1_where_a_verdict_is_as_severe_as_asked(self, line, severity, code):
        options = [] if severity is None else ["--fail-on", severity]
        result = line("inspect", "train.conll", *options)
        assert result.code == code
        assert names(result)[0] == "verdicts: 1 warning"
        assert result.stderr == ""

    def test_is_2_for_a_severity_that_there_is_not(self, line):
        refused(
            line("inspect", "train.conll", "--fail-on", "fatal"),
            "--fail-on: expected one of error, warning, hint, got 'fatal'",
        )


class TestAConfiguration:
    def test_may_hold_the_group_of_a_search_and_keys_of_earlier_versions(self, shop, line):
        shop.config(export={"slice_pieces": 512}, tune={"training.epochs": [1, 2]})
        result = line("inspect", "run.yaml")
        assert result.code == 0
        assert "export.slice_pieces is now export.max_pieces_per_pass" in result.stderr

    def test_may_be_counted_by_another_encoder(self, shop, line):
        shop.config(encoder={"checkpoint": "./none", "max_length": 32, "overlap": 8})
        refused(line("inspect", "run.yaml"), "encoder.checkpoint: no such folder: ./none")
        result = line("inspect", "run.yaml", "--encoder", "checkpoint")
        assert result.code == 0, result.stderr
        assert "training makes 1 update" in result.stdout
