"""Describe the machine that a model runs on: processor, accelerator, memory."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

logger = logging.getLogger(__name__)
PROCESSOR = Path("/proc/cpuinfo")
STATUS = Path("/proc/self/status")
# Flags of fast instructions of x86 and ARM, best first.
FAST = {
    "amx_bf16": "AMX",
    "avx512_bf16": "AVX512-BF16",
    "bf16": "BF16",
    "avx512f": "AVX512",
    "avx2": "AVX2",
    "asimd": "Neon",
}
BFLOAT16 = ("AMX", "AVX512-BF16", "BF16")


def processor_features(source: Path = PROCESSOR) -> list[str]:
    """List the values of FAST that the processor has; empty where the system is not Linux."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", _text(source), re.MULTILINE)
    flags = found[1].split() if found else []
    return [name for flag, name in FAST.items() if flag in flags]


def processor_name(source: Path = PROCESSOR) -> str | None:
    """Read the processor's name; None where the system is not Linux."""
    found = re.search(r"^model name\s*:\s*(.+)$", _text(source), re.MULTILINE)
    return found[1] if found else None


def has_accelerator() -> bool:
    """Tell if TensorFlow sees a GPU or a TPU."""
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU") or tf.config.get_visible_devices("TPU"))


def log_precision(precision: str, features: list[str], accelerator: bool) -> None:
    """Log what bfloat16 will be computed with, or that it will be slow."""
    if precision != "mixed_bfloat16" or accelerator or not features:
        return
    fast = [name for name in BFLOAT16 if name in features]
    if fast:
        logger.info("training.precision: bfloat16 products by %s", " and ".join(fast))
        return
    message = "this processor has no bfloat16 instructions (%s): float32 may be faster"
    logger.warning(f"training.precision: {message}", ", ".join(features))


def log_export_precision(
    export: Path, precision: object, features: list[str], accelerator: bool
) -> None:
    """Log that an export is slower than it needs to be on this processor, if it is."""
    if accelerator or not features:
        return
    fast = " and ".join(name for name in BFLOAT16 if name in features)
    if precision == "bfloat16" and not fast:
        message = "in bfloat16, for which this processor has no instructions (%s): several times as"
        advice = "slow as in float32; export it with precision=float32"
        logger.warning(f"%s: {message} {advice}", export, ", ".join(features))
    elif precision == "float32" and fast:
        message = "in float32; with %s this processor is faster in bfloat16"
        logger.info(f"%s: {message}: export it with precision=bfloat16", export, fast)


def memory_of_machine() -> int | None:
    """Return the machine's memory in MiB; None where the system does not tell it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (AttributeError, ValueError, OSError):
        return None


def resident_memory(source: Path = STATUS) -> tuple[float, float]:
    """Return the memory that this process holds, and the most it ever held, in MiB.

    Zeros where the system is not Linux.
    """
    found = re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", _text(source), re.MULTILINE)
    kib = {name: int(size) for name, size in found}
    return kib.get("VmRSS", 0) / 1024, kib.get("VmHWM", 0) / 1024


def _text(source: Path) -> str:
    """Read one of Linux's files on the machine; empty on other systems."""
    try:
        return source.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
