"""Reads and extends files of results, and tells of which version of the project their lines are.

A file of results holds a line of JSON for each run. Beside the overrides of the run, a line has
`commit`, what it ran with, and `effective`, the settings of training and model that the overrides
led to: null where there are none, as for the peer. Settings of data, encoder and export are not in
it, and what `auto` means is not either: the commit tells. Lines from before have neither.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tfner.config import resolve_settings
from tfner.exceptions import ConfigError
from tfner.safeio.printable import show

ROOT = Path(__file__).parents[2]
ANY_RUN = {"name": "any", "encoder": {"checkpoint": "any"}}  # the least that a run must name


def read_lines(path: Path, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Read the lines of a file, if there is one; a last line that was cut off is left out.

    Args:
        path: of the file.
        keys: what every line must have.

    Raises:
        SystemExit: another line is no JSON object, or lacks a key.
    """
    lines, rest = split_lines(path.read_bytes() if path.exists() else b"")
    for number, written in enumerate(lines, start=1):
        line = parse(written)
        if line is not None and line.keys() >= set(keys):
            yield line
        elif written.strip():
            expected = f"expected a JSON object with {', '.join(keys)}"
            text = written.decode("utf-8", errors="replace")
            sys.exit(f"{path}:{number}: {expected}, got {show(text)}")
    if rest:
        print(f"{path}:{len(lines) + 1}: the last line was cut off: left out", file=sys.stderr)


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add a line of JSON to a file; it replaces a last line that was cut off."""
    with path.open("a+b") as stream:
        stream.seek(0)
        content = stream.read()
        _, rest = split_lines(content)
        if rest:
            stream.truncate(len(content) - len(rest))
        is_open = not rest and content and not content.endswith(b"\n")
        line_end = b"\n" if is_open else b""  # what an editor has left out
        stream.write(line_end + json.dumps(line).encode() + b"\n")


def split_lines(content: bytes) -> tuple[list[bytes], bytes]:
    """Split a file into its lines and, if its last object was cut off, what there is of that.

    >>> split_lines(b'{"seed": 1}\\n{"se')
    ([b'{"seed": 1}'], b'{"se')
    >>> split_lines(b'{"seed": 1}')
    ([b'{"seed": 1}'], b'')
    """
    *lines, last = content.split(b"\n")
    if last.startswith(b"{") and parse(last) is None:
        return lines, last
    return [*lines, last], b""


def parse(written: bytes) -> dict[str, Any] | None:
    """Parse a JSON object; None where it is none.

    >>> parse(b'{"seed": 1}'), parse(b'{"se'), parse(b"1")
    ({'seed': 1}, None, None)
    """
    try:
        line = json.loads(written.decode("utf-8"))
    except ValueError:  # no JSON, or no UTF-8
        return None
    return line if isinstance(line, dict) else None


def describe_version(overrides: Sequence[str] | None) -> dict[str, Any]:
    """Give what a line says of the version that it ran with.

    Args:
        overrides: of the run; None where it has no settings of tfner.

    Raises:
        SystemExit: there is no such setting, or not with such a value.
    """
    try:
        effective = None if overrides is None else resolve(tuple(overrides))
    except ConfigError as error:
        sys.exit(str(error))
    return {"commit": describe_commit(ROOT), "effective": effective}


@cache
def resolve(overrides: tuple[str, ...]) -> dict[str, Any]:
    """Give the settings of training and model that overrides lead to, defaults included.

    >>> resolve(("model.head=softmax",))["model"]["head"]
    'softmax'
    """
    settings, _ = resolve_settings(ANY_RUN, overrides)
    return settings.model_dump(mode="json", include={"training", "model"})


def describe_commit(folder: Path) -> str:
    """Name the commit of a folder's repository, `-dirty` behind it if files differ from it.

    Returns:
        The name; empty where there is no repository or no git.
    """
    git = ("git", "-C", str(folder), "--no-optional-locks")
    command = [*git, "describe", "--always", "--dirty"]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return finished.stdout.strip()


def current_lines(
    path: Path, lines: Iterable[tuple[dict[str, Any], Sequence[str]]]
) -> Iterator[dict[str, Any]]:
    """Give lines whose overrides lead to what they name, and say how many others there are.

    Args:
        path: of their file.
        lines: with their overrides.
    """
    stale = 0
    for line, overrides in lines:
        if is_current(line, overrides):
            yield line
        else:
            stale += 1
    if stale:
        print(f"{path}: {stale:,} lines ran with other defaults: left out", file=sys.stderr)


def is_current(line: Mapping[str, Any], overrides: Sequence[str]) -> bool:
    """Tell whether overrides still lead to what a line names; true where it names nothing."""
    named = line.get("effective")
    if named is None:
        return True
    try:
        return resolve(tuple(overrides)) == named
    except ConfigError:  # a setting that there no longer is
        return False


def describe_versions(lines: Sequence[Mapping[str, Any]]) -> str:
    """Say what tells that lines are not of one version; nothing where nothing does.

    >>> old, new = {"seed": 1}, {"seed": 1, "commit": "3f52616", "effective": None}
    >>> describe_versions([old, new, new])
    '1 of 3 lines name no settings: their defaults may have been others'
    >>> describe_versions([new, new, {**new, "commit": ""}])
    'lines of 2 commits: 3f52616 (2), unknown (1)'
    """
    said = []
    unnamed = sum("effective" not in line for line in lines)
    if unnamed:
        count = f"{unnamed:,} of {len(lines):,} lines name no settings"
        said.append(f"{count}: their defaults may have been others")
    commits = Counter(line["commit"] or "unknown" for line in lines if "commit" in line)
    if len(commits) > 1:
        shown = ", ".join(f"{name} ({count:,})" for name, count in commits.items())
        said.append(f"lines of {len(commits)} commits: {shown}")
    return "; ".join(said)
