"""The machine that a training runs on: its processor and the fast instructions it has, whether there is an accelerator, memory."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

logger = logging.getLogger(__name__)
PROCESSOR = Path("/proc/cpuinfo")
STATUS = Path("/proc/self/status")
FAST = {
    "amx_bf16": "AMX",
    "avx512_bf16": "AVX512-BF16",
    "avx512f": "AVX512",
    "avx2": "AVX2",
}  # best first
BFLOAT16 = ("AMX", "AVX512-BF16")


def processor_features(source: Path = PROCESSOR) -> list[str]:
    """Those of FAST that the processor has, as Linux lists them; empty elsewhere."""
    try:
        flags = next(
            line
            for line in source.read_text(encoding="utf-8").splitlines()
            if line.startswith("flags")
        )
    except (OSError, StopIteration):
        return []
    return [name for flag, name in FAST.items() if flag in flags.split()]


def processor_name(source: Path = PROCESSOR) -> str | None:
    """As Linux tells it; None elsewhere."""
    try:
        found = re.search(
            r"^model name\s*:\s*(.+)$", source.read_text(encoding="utf-8"), re.MULTILINE
        )
    except OSError:
        return None
    return found[1] if found else None


def has_accelerator() -> bool:
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU") or tf.config.get_visible_devices("TPU"))


def say_precision(precision: str, features: list[str], accelerator: bool) -> None:
    """One line in the log on what half precision will be computed with, or that it will be slow."""
    if precision != "mixed_bfloat16" or accelerator:
        return
    fast = [name for name in BFLOAT16 if name in features]
    if fast:
        logger.info("training.precision: bfloat16 products by %s", " and ".join(fast))
    elif features:
        logger.warning(
            "training.precision: this processor has no bfloat16 instructions (%s): float32 may be faster",
            ", ".join(features),
        )


def memory_of_machine() -> int | None:
    """MiB, where the system tells it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (AttributeError, ValueError, OSError):
        return None


def resident_memory(source: Path = STATUS) -> tuple[float, float]:
    """MiB of memory that this process holds, and the most that it ever held, as Linux tells it; zeros elsewhere."""
    try:
        found = dict(
            re.findall(
                r"^(VmRSS|VmHWM):\s+(\d+) kB", source.read_text(encoding="utf-8"), re.MULTILINE
            )
        )
    except OSError:
        found = {}
    return int(found.get("VmRSS", 0)) / 1024, int(found.get("VmHWM", 0)) / 1024
