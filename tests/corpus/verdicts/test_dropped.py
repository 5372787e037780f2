"""What was dropped because of the data has a verdict for each reason."""

from __future__ import annotations

import pytest
from corpora import clean, names_of

from tfner.corpus.ledger import REASONS, Ledger
from tfner.corpus.verdicts.dropped import MEANINGS, judge_dropped

SILENT = {
    "unknown_label",
    "left_out",
    "skipped_record",
    "skipped_annotation",
    "trimmed_border",
}


def test_every_reason_has_a_verdict_or_is_left_to_others():
    assert set(REASONS) == SILENT | MEANINGS.keys()


@pytest.mark.parametrize("reason", MEANINGS)
def test_entries_of_all_splits_are_counted_and_located(reason):
    ledgers = {"train": Ledger(), "dev": Ledger()}
    ledgers["train"].record(reason, "train.conll:7", "PER 0-3 'Bo'")
    ledgers["dev"].record(reason, "dev.conll:1", "LOC 4-5 'x'")
    ledgers["dev"].record("skipped_annotation", "dev.conll:2", "a note")
    (found,) = judge_dropped(clean(), ledgers)
    listed = "PER 0-3 'Bo' (train.conll:7); LOC 4-5 'x' (dev.conll:1)"
    assert found.sentence == f"2 {MEANINGS[reason].many}: {listed}"
    assert found.severity == "hint"  # two of 210 entities


def test_many_are_a_warning():
    ledger = Ledger()
    for _ in range(3):
        ledger.record("misaligned", "x", "y")
    (found,) = judge_dropped(clean(), {"train": ledger})
    assert found.severity == "warning"
    assert names_of(clean(), {"train": ledger}) == ["misaligned"]
