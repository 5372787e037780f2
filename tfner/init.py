"""`python -m tfner.init TRAIN --encoder CHECKPOINT`: write a configuration for given files."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tfner import commands
from tfner.commands import inspect_data, messages, output
from tfner.config import RunSettings
from tfner.exceptions import ConfigError
from tfner.new_configuration import Answers, write_configuration
from tfner.safeio.validation import validate
from tfner.safeio.whole_files import write_text_whole

SHARE = "10%"  # of the training data that is dev where nothing else is said
NONE = "none"
TRAIN_HELP = "Marked texts to learn from: a file, folder or pattern; a terminal is asked for it."
DEV_HELP = (
    f"Marked texts to choose the best epoch by, a share of TRAIN, or {NONE}. [default: {SHARE}]"
)
TEST_HELP = "Marked texts for the final score, or a share of TRAIN."
ENCODER_HELP = "Checkpoint to begin with: a folder or a hub name; a terminal is asked for it."
NAME_HELP = "Name of the run, by default the file's."
TO_HELP = "The configuration to write. [default: NAME.yaml]"
OVERWRITE_HELP = "Replace the file."
QUESTIONS = {
    "TRAIN": "Marked texts to learn from",
    "--dev": f"Texts to choose the best epoch by (file, share, {NONE})",
    "--encoder": "Checkpoint to begin with (folder or hub name)",
}
Train = Annotated[str | None, typer.Argument(metavar="TRAIN", help=TRAIN_HELP)]
Dev = Annotated[str | None, typer.Option(metavar="DATA", help=DEV_HELP)]
Test = Annotated[str | None, typer.Option(metavar="DATA", help=TEST_HELP)]
Encoder = Annotated[str | None, typer.Option(metavar="CHECKPOINT", help=ENCODER_HELP)]
Name = Annotated[str | None, typer.Option(metavar="NAME", help=NAME_HELP)]
To = Annotated[Path | None, typer.Option(metavar="FILE", help=TO_HELP)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help=OVERWRITE_HELP)]


def init(
    train: Train = None,
    dev: Dev = None,
    test: Test = None,
    encoder: Encoder = None,
    name: Name = None,
    to: To = None,
    overwrite: Overwrite = False,
    format: commands.Format = "auto",
    encoding: commands.Encoding = "utf-8",
    scheme: commands.Scheme = "auto",
    token_column: commands.TokenColumn = None,
    tag_column: commands.TagColumn = None,
    sentence_column: commands.SentenceColumn = None,
) -> None:
    """Write a commented configuration for given files, with what is wrong with them."""
    train = train or ask("TRAIN")
    if dev is None:
        dev = ask("--dev", SHARE)
    encoder = encoder or ask("--encoder")
    if name is None:
        name = run_name(train)
    path = to or Path(f"{name}.yaml")
    if path.exists() and not overwrite:
        raise ConfigError(f"{path}: expected no file of that name, got one; or add --overwrite")
    columns = {"token_column": token_column, "tag_column": tag_column}
    columns["sentence_column"] = sentence_column
    reading = {"format": format, "encoding": encoding, "scheme": scheme, **columns}
    given = {"train": train, "dev": "" if dev == NONE else dev, "test": test}
    splits = {split: source for split, source in given.items() if source}
    answers = Answers(name=name, splits=splits, encoder=encoder, reading=unusual(reading))
    settings = validate(answers.values(), RunSettings, "command line")
    sources = {split: getattr(settings.data, split) for split in splits}
    with messages().status("reading and judging"):
        report, _ = inspect_data(sources, settings.data, encoder, settings)
    write_text_whole(path, write_configuration(answers, report, str(path)))
    report.print_table(output())
    output().print(f"written: {path}; python -m tfner.train {path}")


def ask(what: str, usual: str | None = None) -> str:
    """Ask on a terminal; elsewhere take what is usual.

    Raises:
        ConfigError: there is nobody to ask, and nothing is usual.
    """
    if sys.stdin.isatty():
        return typer.prompt(QUESTIONS[what], default=usual)
    if usual is None:
        question = QUESTIONS[what]
        raise ConfigError(f"command line: {what}: {question[0].lower()}{question[1:]}, is required")
    return usual


def run_name(source: str) -> str:
    """Make the name of a run from that of its data.

    >>> run_name("corpora/my news/train.conll"), run_name("hub:conll2003:train")
    ('my_news', 'conll2003_train')
    """
    path = Path(source)
    stem = path.stem.removeprefix("hub:")
    if stem in ("train", "all") and path.parent.name:
        stem = path.parent.name
    return re.sub(r"[^A-Za-z0-9-]+", "_", stem).strip("_") or "run"


def unusual(reading: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the options of reading that are not what they are by default."""
    usual = ("auto", "utf-8", None)
    return {name: value for name, value in reading.items() if value not in usual}


if __name__ == "__main__":
    commands.run(init)
