"""`python -m tfner.inspect DATA …`: show what is in a corpus, and what is wrong with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, cast

import typer

from tfner import commands
from tfner.commands import inspect_data, messages, output
from tfner.config import load_settings
from tfner.corpus.ledger import Ledger
from tfner.corpus.verdicts.judge import at_least
from tfner.corpus.verdicts.verdict import SEVERITIES, Severity
from tfner.exceptions import ConfigError
from tfner.formats.settings import MAX_FILE, MAX_LINE, ReadSettings
from tfner.safeio.printable import printable, show
from tfner.safeio.sources import Source

CONFIGURATIONS = (".yaml", ".yml")

DATA_HELP = "Files, folders or patterns, a split each; or one configuration, whose splits are read."
ENCODER_HELP = "Checkpoint whose vocabulary counts pieces; default: a configuration's own."
LIST_HELP = "Name everything that is dropped, trimmed, repaired or misaligned, and more cases."
HTML_HELP = "Write it as a page too, one file that needs nothing from outside."
FAIL_HELP = "Exit with 1 where a verdict is as severe or worse; by default none is."
FOUND = 1  # exit code
Data = Annotated[list[str], typer.Argument(help=DATA_HELP)]
Encoder = Annotated[str | None, typer.Option(help=ENCODER_HELP)]
ListDropped = Annotated[bool, typer.Option("--list", help=LIST_HELP)]
Html = Annotated[Path | None, typer.Option(metavar="FILE", help=HTML_HELP)]
FailOn = Annotated[str | None, typer.Option(metavar="|".join(SEVERITIES), help=FAIL_HELP)]


def inspect(
    data: Data,
    encoder: Encoder = None,
    list_dropped: ListDropped = False,
    html: Html = None,
    fail_on: FailOn = None,
    format: commands.Format = "auto",
    encoding: commands.Encoding = "utf-8",
    scheme: commands.Scheme = "auto",
    token_column: commands.TokenColumn = None,
    tag_column: commands.TagColumn = None,
    sentence_column: commands.SentenceColumn = None,
    types: commands.TypeNames = None,
    strict: commands.Strict = False,
    max_line: commands.MaxLine = MAX_LINE,
    max_file: commands.MaxFile = MAX_FILE,
) -> None:
    """Show what a corpus holds, and end with verdicts: what is wrong with it, the worst first."""
    limit = check_severity(fail_on)
    check_different(data)
    run_settings = None
    if len(data) == 1 and Path(data[0]).suffix in CONFIGURATIONS:
        run_settings = load_settings(data[0], override_encoder(encoder))
        settings: ReadSettings = run_settings.data
        splits = {name: getattr(settings, name) for name in ("train", "dev", "test")}
        sources = {name: source for name, source in splits.items() if source}
        encoder = run_settings.encoder.checkpoint
    else:
        columns = {"token_column": token_column, "tag_column": tag_column}
        columns["sentence_column"] = sentence_column
        limits = {"max_line": max_line, "max_file": max_file}
        reading = {"format": format, "encoding": encoding, "scheme": scheme, "strict": strict}
        settings = commands.validate_reading(**reading, **columns, **limits, types=types)
        sources: dict[str, Source] = {source: source for source in data}
    with messages().status("reading and judging"):
        report, ledgers = inspect_data(sources, settings, encoder, run_settings)
    report.print_table(output())
    if encoder is None:
        missing = "lengths in pieces and unknown characters depend on a vocabulary"
        output().print(f"{missing}: name one with --encoder")
    if list_dropped:
        print_dropped(ledgers)
        report.print_cases(output())
    if html is not None:
        report.write_html(html)
    if limit is not None and at_least(report.verdicts, limit):
        raise typer.Exit(FOUND)


def check_different(data: list[str]) -> None:
    """Refuse to compare a split with itself.

    Raises:
        ConfigError: one is named twice.
    """
    repeated = [name for name, count in Counter(data).items() if count > 1]
    if repeated:
        raise ConfigError(f"{repeated[0]}: expected different splits, got it twice")


def check_severity(name: str | None) -> Severity | None:
    """Check what severity is to end the command with an exit code; None is none.

    Raises:
        ConfigError: there is no such severity.
    """
    if name is not None and name not in SEVERITIES:
        expected = ", ".join(SEVERITIES)
        raise ConfigError(f"--fail-on: expected one of {expected}, got {show(name)}")
    return cast("Severity | None", name)


def override_encoder(encoder: str | None) -> list[str]:
    """Make the override of a configuration that names another encoder, if one is named."""
    return [] if encoder is None else [f"encoder.checkpoint={json.dumps(encoder)}"]


def print_dropped(ledgers: Mapping[str, Ledger]) -> None:
    """Print each entry of the ledgers on a line of its own."""
    for name, ledger in ledgers.items():
        for entry in ledger.entries:
            line = f"{name}\t{entry.reason}\t{entry.where}\t{entry.detail}"
            output().print(printable(line), markup=False)


if __name__ == "__main__":
    commands.run(inspect)
