"""Write the log: one event one line, for people as text, for programs as JSON.

Everything goes to Python's `logging`. Events with values go to the logger `tfner.events`, where a
program that uses this package takes them from `record.event` and `record.fields`. As text they are
left out, because the console shows the same to people as a line or a bar.
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
    """Log that something happened; fields are plain values."""
    shown = " ".join(f"{name}={value}" for name, value in fields.items())
    events.log(level, "%s %s", event, shown, extra={"event": event, "fields": fields})


def json_asked() -> bool:
    """Tell if the log of this process is to be JSON."""
    return os.environ.get(VARIABLE, "").lower() == "json"


def set_up_log(stream: TextIO | None = None) -> None:
    """Write the log of this process to `stream`, or standard error, as the environment asks."""
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
    """Log what Python would print as a traceback of many lines."""
    logging.getLogger("tfner").critical("%s", error, exc_info=(kind, error, traceback))


class TextLine(logging.Formatter):
    """Format as `LEVEL message`; foreign text can neither forge a line nor act on the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        return f"{record.levelname} " + printable(record.message).replace("\n", "␊")


class JsonLine(logging.Formatter):
    """Format as an object with `time` (UTC), `level`, `event` and the event's fields.

    A message that is no event has `message`, `logger` and, of an error, `traceback`.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = getattr(record, "event", "message")
        line: dict[str, Any] = {"time": time, "level": record.levelname.lower(), "event": event}
        message = {"logger": record.name, "message": record.getMessage()}
        line |= getattr(record, "fields", None) or message
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(finite(line), default=str)


def finite(value: Any) -> Any:
    """Turn NaN and infinities, which JSON has not, into the texts `nan`, `inf` and `-inf`."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    is_special = isinstance(value, float) and not math.isfinite(value)
    return str(value) if is_special else value
