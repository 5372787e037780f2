"""What is said of the processor, from what Linux lists."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tfner.monitoring.machine import (
    log_export_precision,
    log_precision,
    processor_features,
)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (
            "fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile",
            ["AMX", "AVX512-BF16", "AVX512", "AVX2"],
        ),
        ("fpu avx2", ["AVX2"]),
        ("fpu", []),
    ],
)
def test_features_are_read_from_the_flags(tmp_path, flags, expected):
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    assert processor_features(tmp_path / "cpuinfo") == expected


def test_features_are_read_on_arm_too(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nFeatures\t: fp asimd bf16\n")
    assert processor_features(tmp_path / "cpuinfo") == ["BF16", "Neon"]


def test_elsewhere_nothing_is_known(tmp_path):
    assert processor_features(tmp_path / "nowhere") == []


@pytest.mark.parametrize(
    ("precision", "features", "accelerator", "said"),
    [
        (
            "mixed_bfloat16",
            ["AMX", "AVX512-BF16", "AVX2"],
            False,
            "bfloat16 products by AMX and AVX512-BF16",
        ),
        (
            "mixed_bfloat16",
            ["AVX2"],
            False,
            "no bfloat16 instructions (AVX2): float32 may be faster",
        ),
        ("mixed_bfloat16", ["AVX2"], True, ""),
        ("mixed_bfloat16", [], False, ""),
        ("float32", ["AMX"], False, ""),
    ],
)
def test_the_log_says_what_half_precision_rests_on(caplog, precision, features, accelerator, said):
    with caplog.at_level(logging.INFO):
        log_precision(precision, features, accelerator)
    assert said in caplog.text
    assert bool(caplog.text) == bool(said)


SLOW = "in bfloat16, for which this processor has no instructions (AVX512, AVX2): several times as"
FAST = "in float32; with AMX and AVX512-BF16 this processor is faster in bfloat16"


@pytest.mark.parametrize(
    ("precision", "features", "accelerator", "level", "said"),
    [
        ("bfloat16", ["AVX512", "AVX2"], False, "WARNING", SLOW),
        ("bfloat16", ["AVX512", "AVX2"], True, "", ""),
        ("bfloat16", ["AVX512-BF16"], False, "", ""),
        ("bfloat16", [], False, "", ""),
        ("float32", ["AMX", "AVX512-BF16"], False, "INFO", FAST),
        ("float32", ["AVX2"], False, "", ""),
        (None, ["AVX2"], False, "", ""),
    ],
)
def test_the_log_says_where_an_export_is_slower_than_it_needs_to_be(
    caplog, precision, features, accelerator, level, said
):
    with caplog.at_level(logging.INFO):
        log_export_precision(Path("exports/1"), precision, features, accelerator)
    assert [record.levelname for record in caplog.records] == [level] * bool(level)
    assert said in caplog.text
    assert bool(caplog.text) == bool(said)
