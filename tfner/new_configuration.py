"""Write a configuration for given files, with what was found in them as its comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tfner.corpus.statistics import SplitStatistics
from tfner.corpus.verdicts.verdict import count_of
from tfner.evaluation.report.corpus_report import CorpusReport
from tfner.safeio.printable import printable

WIDTH = 98  # of comments
MAX_LENGTHS = (128, 256, 512)  # what `encoder.max_length` is chosen from, in pieces
SPECIAL = 2  # pieces at the ends of a window
TYPES_NAMED = 12
PRECISION = (
    "Half of the time, where a processor has AMX or AVX512-BF16, or a GPU; else leave it out."
)
SHARE = "Taken from data.train by document and type; the run folder says which."
NO_WEIGHTS = (
    "The encoder of the quickstart has no weights. Name a pretrained one for text of your own."
)
NO_DEV = "Without a dev split the last epoch is kept, and scores are not calibrated."


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Hold what a user says of a run before there is a configuration.

    Args:
        name: of the run.
        splits: train, and dev and test where there are any.
        encoder: a checkpoint.
        reading: options of the group `data` that say how files are read.
    """

    name: str
    splits: Mapping[str, str]
    encoder: str
    reading: Mapping[str, Any]

    def values(self, max_length: int = MAX_LENGTHS[0]) -> dict[str, Any]:
        """Give the configuration as plain values, in the order in which they are written."""
        encoder: dict[str, Any] = {"checkpoint": self.encoder, "max_length": max_length}
        if self.encoder.startswith("embedded:"):
            encoder["initialize"] = "random"
        return {
            "name": self.name,
            "seed": 1,
            "data": {**self.splits, **self.reading},
            "encoder": encoder,
            "training": {"precision": "mixed_bfloat16"},
        }


def write_configuration(answers: Answers, report: CorpusReport, path: str) -> str:
    """Write YAML with comments.

    Args:
        report: what `inspect` finds in the splits.
        path: of the file that is to be, for its comments.
    """
    train = report.statistics.splits["train"]
    max_length = choose_max_length(train)
    comments = dict(comment_splits(answers, report))
    comments["max_length"] = describe_pieces(train, max_length)
    training = report.training
    comments["training"] = f"{training[:1].upper()}{training[1:]}." if training else ""
    comments["initialize"] = NO_WEIGHTS
    comments["precision"] = PRECISION
    values = answers.values(max_length)
    lines = [*comment(f"python -m tfner.train {path}"), *yaml_lines(values, comments)]
    lines += ["", *describe_verdicts(report, path)]
    return "\n".join(lines) + "\n"


def choose_max_length(train: SplitStatistics) -> int:
    """Choose windows that hold 95 of a hundred documents, or the longest; 128 at least."""
    pieces = train.document_pieces
    if pieces is None:
        return MAX_LENGTHS[0]
    for length in MAX_LENGTHS:
        if pieces.p95 + SPECIAL <= length:
            return length
    return MAX_LENGTHS[-1]


def describe_pieces(train: SplitStatistics, max_length: int) -> str:
    """Say how long the training documents are, and what happens to longer ones."""
    pieces = train.document_pieces
    if pieces is None:
        return ""
    lengths = (
        f"95 of 100 documents have at most {pieces.p95:,} pieces, the longest {pieces.maximum:,}"
    )
    if pieces.maximum + SPECIAL <= max_length:
        return f"{lengths}."
    return f"{lengths}; what is longer is read in several windows, nothing is cut off."


def comment_splits(answers: Answers, report: CorpusReport) -> Iterator[tuple[str, str]]:
    """Say what each split holds."""
    for name, split in report.statistics.splits.items():
        documents = count_of(split.documents, "document")
        entities = count_of(split.entities, "entity", "entities")
        held = f"{documents}, {entities}{name_types(split)}."
        is_share = answers.splits.get(name, "").endswith("%")
        yield name, f"{held} {SHARE}" if is_share else held
    if "dev" not in answers.splits:
        yield "train", f"{held} {NO_DEV}"


def name_types(split: SplitStatistics) -> str:
    """List the most frequent types with their counts.

    The list is empty where nothing is marked.
    """
    by_count = sorted(split.types.items(), key=lambda item: -item[1])
    shown = [f"{label} {count:,}" for label, count in by_count[:TYPES_NAMED]]
    if len(by_count) > TYPES_NAMED:
        shown.append("and others")
    return f": {', '.join(shown)}" if shown else ""


def yaml_lines(
    values: Mapping[str, Any], comments: Mapping[str, str], indent: str = ""
) -> Iterator[str]:
    """Write a mapping in block style, a comment above the keys that have one.

    >>> for line in yaml_lines({"data": {"train": "a: b"}}, {"train": "Two documents."}):
    ...     print(line)
    data:
      # Two documents.
      train: 'a: b'
    """
    for key, value in values.items():
        yield from comment(comments.get(key, ""), indent)
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from yaml_lines(value, comments, f"{indent}  ")
        else:
            written = yaml.safe_dump({key: value}, allow_unicode=True, width=1000)
            yield indent + written.rstrip("\n").replace("\n", f"\n{indent}")


def comment(text: str, indent: str = "") -> list[str]:
    """Write a text as comments of YAML; none where there is nothing to say.

    >>> comment("Two documents.", "  ")
    ['  # Two documents.']
    """
    begin = f"{indent}# "
    lines = textwrap.wrap(
        printable(text),
        WIDTH - len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [begin + line for line in lines]


def describe_verdicts(report: CorpusReport, path: str) -> Iterator[str]:
    """Write the verdicts on the data as comments, the worst first."""
    if not report.verdicts:
        yield from comment(f"Nothing is wrong with the data, says `tfner inspect {path}`.")
        return
    yield from comment(f"What `tfner inspect {path}` says, the worst first:")
    for verdict in report.verdicts:
        yield from comment(f"{verdict.severity}: {verdict.sentence}. {verdict.advice}")
