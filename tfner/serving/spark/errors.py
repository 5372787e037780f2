"""Say in a line why Spark failed, which answers with two stack traces."""

from __future__ import annotations

import re

MOST = 1000
RAISED = re.compile(r"^(?:\w+\.)*(\w*(?:Error|Exception|Exit)): (.*)$", re.MULTILINE)
OWN = re.compile(r"^tfner\.exceptions\.\w+: (.*)$", re.MULTILINE)
CAUSE = re.compile(r"^Caused by: [\w.$]+: (.*)$", re.MULTILINE)
CONDITION = re.compile(r"^\[[A-Z_0-9.]+\] ")


def reason_of(error: Exception) -> str:
    r"""Find what a worker raised, or else what Spark says.

    >>> text = "Aborted\nTraceback (most recent call last):\n  File x\nValueError: no\n at org.x"
    >>> reason_of(RuntimeError(text))
    'ValueError: no'
    >>> reason_of(RuntimeError("[PATH_NOT_FOUND] Path does not exist: a. SQLSTATE: 42K03"))
    'Path does not exist: a'
    """
    text = str(error).strip()
    own = OWN.search(text)
    if own:
        return own[1][:MOST]
    _, _, of_worker = text.partition("Traceback (most recent call last):")
    raised = RAISED.findall(of_worker)
    if raised:
        name, message = raised[0]
        return f"{name}: {message}"[:MOST]
    causes = CAUSE.findall(text)
    first = text.partition("\n")[0] or type(error).__name__
    chain = "; ".join(causes) or first
    without_state = chain.partition(" SQLSTATE: ")[0].removesuffix(".")
    return CONDITION.sub("", without_state)[:MOST]


def is_own(error: Exception) -> bool:
    """Tell whether a worker raised an error of this package."""
    return OWN.search(str(error)) is not None
