"""Know the settings of earlier versions: what keys were called, and what was meant without one."""

from __future__ import annotations

from typing import Any

from tfner.exceptions import ConfigError

# Keys of earlier versions and what they are called now, in the same group.
OLD_KEYS = {"export.slice_pieces": "export.max_pieces_per_pass"}
# What earlier versions took where a key was not given; their runs go on with it.
FORMER_DEFAULTS = {
    "training.epochs": 3,
    "training.learning_rate": 2e-4,
    "training.head_learning_rate": None,
    "training.transition_learning_rate": None,
    "training.tag_prior": 0.0,
    "training.warmup_ratio": 0.1,
    "export.calibrate": False,
    "export.raw_text": "whole",
    "model.head": "softmax",
    "model.keep_head": False,
}
# What versions did that wrote no such key into the config.yaml of a run.
BEFORE_THE_KEY = {
    "data.context": "none",
    "export.calibrate": False,
    "export.raw_text": "whole",
    "model.head": "softmax",
    "model.keep_head": False,
    "training.transition_learning_rate": None,
    "training.tag_prior": 0.0,
}


def rename_old_keys(values: dict[str, Any]) -> list[str]:
    """Rename keys of earlier versions in place; return a notice for each that is there.

    >>> values = {"export": {"slice_pieces": 512}}
    >>> rename_old_keys(values)
    ['export.slice_pieces is now export.max_pieces_per_pass']
    >>> values
    {'export': {'max_pieces_per_pass': 512}}

    Raises:
        ConfigError: a setting is given by its old and by its new key.
    """
    notices = []
    for old, new in OLD_KEYS.items():
        (group_name, old_key), new_key = old.split("."), new.split(".")[-1]
        group = values.get(group_name)
        if not isinstance(group, dict) or old_key not in group:
            continue
        if new_key in group:
            raise ConfigError(f"{old}: is now {new}, which is given too")
        group[new_key] = group.pop(old_key)
        notices.append(f"{old} is now {new}")
    return notices


def add_former_values(values: dict[str, Any]) -> None:
    """Add in place, to what a run folder holds, the keys that its version did not know.

    >>> values = {"export": {"xla": True}}
    >>> add_former_values(values)
    >>> values["export"]
    {'xla': True, 'calibrate': False, 'raw_text': 'whole'}
    """
    for key, former in BEFORE_THE_KEY.items():
        group_name, name = key.split(".")
        group = values.setdefault(group_name, {})
        if isinstance(group, dict):
            group.setdefault(name, former)
