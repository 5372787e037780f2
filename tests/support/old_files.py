"""Files that earlier code wrote, and its answers: see tests/fixtures/before/README.md."""

from __future__ import annotations

import json
from pathlib import Path

from archives import unpack_archive

BEFORE = Path(__file__).resolve().parents[1] / "fixtures" / "before"


def unpack(name: str, folder: Path) -> None:
    """Unpack `export` or `runs` into a folder."""
    unpack_archive(BEFORE / f"{name}.tar.xz", folder)


def check_answers(recognizer, tolerance: float = 1e-4) -> None:
    """Fail unless the recognizer says what the earlier code's export said."""
    for answer in json.loads((BEFORE / "answers.json").read_text(encoding="utf-8")):
        entities = recognizer(answer["text"])
        found = [[entity.start, entity.end, entity.label] for entity in entities]
        assert found == [entity[:3] for entity in answer["entities"]]
        scores = [entity.score for entity in entities]
        expected = [entity[3] for entity in answer["entities"]]
        for score, wanted in zip(scores, expected, strict=True):
            assert abs(score - wanted) <= tolerance
        assert recognizer.tag(answer["text"].split()) == answer["tags"]
