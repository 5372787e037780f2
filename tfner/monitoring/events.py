"""The log: one event one line, for people as text, for programs as JSON.

What happens is told to Python's `logging`. Events with values go to the logger `tfner.monitoring.events`, where a program that uses this package may
take them from `record.event` and `record.fields`. As text people are shown the same on the console, as a line or as a bar.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
from datetime import datetime, timezone
from typing import Any, TextIO

from tfner.safeio.printable import printable

VARIABLE = "TFNER_LOG"  # `json` or `text`; processes that this one starts have it too
events = logging.getLogger("tfner.events")
events.setLevel(logging.INFO)


def log_event(event: str, level: int = logging.INFO, /, **fields: Any) -> None:
    """Say that something happened; fields are plain values."""
    shown = " ".join(f"{name}={value}" for name, value in fields.items())
    events.log(level, "%s %s", event, shown, extra={"event": event, "fields": fields})


def json_asked() -> bool:
    """Whether the log of this process is to be JSON."""
    return os.environ.get(VARIABLE, "").lower() == "json"


def set_up_log(stream: TextIO | None = None) -> None:
    """Write the log of this process to `stream`, by default standard error, in the form that the environment asks for."""
    handler = logging.StreamHandler(stream or sys.stderr)
    if json_asked():
        handler.setFormatter(JsonLine())
        sys.excepthook = log_uncaught
    else:
        handler.setFormatter(TextLine())
        handler.addFilter(lambda record: record.name != events.name)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("tfner").setLevel(logging.INFO)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)


def log_uncaught(kind: Any, error: Any, traceback: Any) -> None:
    """What Python would print as a traceback of many lines."""
    logging.getLogger("tfner").critical("%s", error, exc_info=(kind, error, traceback))


class TextLine(logging.Formatter):
    """`LEVEL message`; a message of foreign text cannot pretend to be another line, or act on the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        return f"{record.levelname} " + printable(record.message).replace("\n", "␊")


class JsonLine(logging.Formatter):
    """An object with `time` (UTC), `level` and `event`: the event's fields, else `message`, `logger` and, of an error, `traceback`."""

    def format(self, record: logging.LogRecord) -> str:
        time = (
            datetime.fromtimestamp(record.created, timezone.utc)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )
        line: dict[str, Any] = {
            "time": time,
            "level": record.levelname.lower(),
            "event": getattr(record, "event", "message"),
        }
        line |= getattr(record, "fields", None) or {
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(finite(line), default=str)


def finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: they become the texts `nan`, `inf` and `-inf`."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
