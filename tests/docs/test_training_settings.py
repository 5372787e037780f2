"""The page on settings of a training gives the defaults that they have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tfner.setting_groups import ExportSettings, ModelSettings, TrainingSettings

PAGE = Path(__file__).parents[2] / "docs/training-settings.md"
GROUPS = {"training": TrainingSettings, "model": ModelSettings, "export": ExportSettings}
SHOWN = re.findall(r"\*\*`(\w+)\.(\w+): (.+?)`\*\*", PAGE.read_text(encoding="utf-8"))
# Which no other page explains.
EXPLAINED = {
    "training.monitor",
    "training.patience",
    "training.warmup_ratio",
    "training.weight_decay",
    "training.clip_norm",
    "training.row_length",
    "training.bucket_lengths",
    "training.skipped_in_a_row",
    "training.export_on_interrupt",
    "model.tag_scheme",
    "export.max_pieces_per_pass",
}


@pytest.mark.parametrize(("group", "name", "shown"), SHOWN)
def test_a_default_is_the_one_that_the_page_shows(group, name, shown):
    default: Any = GROUPS[group].model_fields[name].default
    given = yaml.safe_load(shown)
    assert given == (list(default) if isinstance(default, tuple) else default)


def test_each_setting_that_no_other_page_explains_is_there():
    assert {f"{group}.{name}" for group, name, _ in SHOWN} >= EXPLAINED
