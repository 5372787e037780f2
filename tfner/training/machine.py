"""What the machine can do that matters for training: which fast instructions its processor has, and whether there is an accelerator."""

from __future__ import annotations

import logging
from pathlib import Path

logger = logging.getLogger(__name__)
PROCESSOR = Path("/proc/cpuinfo")
FAST = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16", "avx512f": "AVX512", "avx2": "AVX2"}  # best first
BFLOAT16 = ("AMX", "AVX512-BF16")


def processor_features(source: Path = PROCESSOR) -> list[str]:
    """Those of FAST that the processor has, as Linux lists them; empty elsewhere."""
    try:
        flags = next(line for line in source.read_text(encoding="utf-8").splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        return []
    return [name for flag, name in FAST.items() if flag in flags.split()]


def has_accelerator() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("TPU"))


def say_precision(precision: str, features: list[str], accelerator: bool) -> None:
    """One line in the log on what half precision will be computed with, or that it will be slow."""
    if precision != "mixed_bfloat16" or accelerator:
        return
    fast = [name for name in BFLOAT16 if name in features]
    if fast:
        logger.info("training.precision: bfloat16 products by %s", " and ".join(fast))
    elif features:
        logger.warning("training.precision: this processor has no bfloat16 instructions (%s): float32 may be faster", ", ".join(features))
