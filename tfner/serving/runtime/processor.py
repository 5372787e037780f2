"""Tell what the processor is fast at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CPU_INFO = Path("/proc/cpuinfo")
FAST = frozenset({"amx_bf16", "avx512_bf16", "bf16"})  # flags of x86 and features of ARM
ADVICE = (
    "%s: in bfloat16, for which this processor has no instructions: several times as slow as in"
    " float32; export it with precision=float32"
)


def is_slow_here(card: Mapping[str, Any]) -> bool:
    """Tell whether an export is in bfloat16 and the processor computes that in other ways.

    False where the system does not say what the processor has.
    """
    export = card.get("export")
    precision = export.get("precision") if isinstance(export, Mapping) else None
    if precision != "bfloat16":
        return False
    flags = processor_flags()
    return bool(flags) and not flags & FAST


def processor_flags() -> set[str]:
    """Read what the first processor has; empty where the system does not say."""
    try:
        text = CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    for line in text.splitlines():
        name, _, values = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(values.split())
    return set()
