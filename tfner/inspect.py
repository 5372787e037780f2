"""`python -m tfner.inspect DATA …`: show what is in a corpus and what could not be learned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from tfner import commands
from tfner.commands import load_tensorflow, output
from tfner.config import RunSettings, read_yaml
from tfner.corpus.ledger import Ledger
from tfner.corpus.statistics import CorpusStatistics, corpus_statistics
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.formats.settings import MAX_FILE, MAX_LINE, ReadSettings
from tfner.safeio.printable import printable
from tfner.safeio.sources import Source, name_source
from tfner.safeio.validation import validate
from tfner.tagging.schemes import LabelSet

# Its units are those of every BERT, its pieces those of none.
DEFAULT_TOKENIZER = "embedded:quickstart/encoder"
CONFIGURATIONS = (".yaml", ".yml")

DATA_HELP = "Files, folders or patterns, a split each; or one configuration, whose splits are read."
ENCODER_HELP = "Checkpoint whose vocabulary counts pieces; default: a configuration's own."
LIST_HELP = "Name everything that is dropped, trimmed, repaired or misaligned."
Data = Annotated[list[str], typer.Argument(help=DATA_HELP)]
Encoder = Annotated[str | None, typer.Option(help=ENCODER_HELP)]
ListDropped = Annotated[bool, typer.Option("--list", help=LIST_HELP)]


def inspect(
    data: Data,
    encoder: Encoder = None,
    list_dropped: ListDropped = False,
    format: commands.Format = "auto",
    encoding: commands.Encoding = "utf-8",
    scheme: commands.Scheme = "auto",
    token_column: commands.TokenColumn = None,
    tag_column: commands.TagColumn = None,
    sentence_column: commands.SentenceColumn = None,
    strict: commands.Strict = False,
    max_line: commands.MaxLine = MAX_LINE,
    max_file: commands.MaxFile = MAX_FILE,
) -> None:
    """Show documents, units, entities per type, lengths, duplicates and what cannot be learned."""
    if len(data) == 1 and Path(data[0]).suffix in CONFIGURATIONS:
        configuration = read_yaml(Path(data[0]))
        run_settings = validate(configuration, RunSettings, data[0])
        settings: ReadSettings = run_settings.data
        splits = {name: getattr(settings, name) for name in ("train", "dev", "test")}
        sources = {name: source for name, source in splits.items() if source}
        encoder = encoder or run_settings.encoder.checkpoint
    else:
        columns = {"token_column": token_column, "tag_column": tag_column}
        columns["sentence_column"] = sentence_column
        limits = {"max_line": max_line, "max_file": max_file}
        settings = commands.validate_reading(
            format=format, encoding=encoding, scheme=scheme, strict=strict, **columns, **limits
        )
        sources: dict[str, Source] = {source: source for source in data}
    statistics, ledgers = inspect_sources(sources, settings, encoder)
    statistics.print_table(output())
    if encoder is None:
        missing = "lengths in pieces and unknown characters depend on a vocabulary"
        output().print(f"{missing}: name one with --encoder")
    if list_dropped:
        print_dropped(ledgers)


def inspect_sources(
    sources: Mapping[str, Source], settings: ReadSettings, encoder: str | None = None
) -> tuple[CorpusStatistics, dict[str, Ledger]]:
    """Count some splits, with a ledger of each; without an encoder no lengths in pieces."""
    ledgers = {name: Ledger() for name in sources}
    splits = {}
    for name, source in sources.items():
        documents = read_documents(source, settings, ledgers[name])
        splits[name] = list(documents)
    if not any(splits.values()):
        where = ", ".join(map(name_source, sources.values()))
        raise DataError(f"{where}: expected documents, found none")
    load_tensorflow()
    from tfner.data.token_stats import collect_token_stats
    from tfner.model.encoders.checkpoints import resolve_checkpoint
    from tfner.tokenizers.registry import open_tokenizer

    checkpoint = resolve_checkpoint(encoder or DEFAULT_TOKENIZER)
    tokenizer = open_tokenizer(checkpoint)
    labels = labels_of(chain.from_iterable(splits.values()))
    token_stats = {}
    for name, documents in splits.items():
        stats = collect_token_stats(documents, tokenizer, labels, ledgers[name])
        if encoder is None:
            stats = replace(stats, pieces=None, unknown_characters={})
        token_stats[name] = stats
    return corpus_statistics(splits, token_stats), ledgers


def labels_of(documents: Iterable[Document]) -> LabelSet:
    """Collect every entity type that occurs."""
    names = {entity.label for document in documents for entity in document.entities}
    ordered = sorted(names)
    return LabelSet(tuple(ordered))


def print_dropped(ledgers: Mapping[str, Ledger]) -> None:
    """Print each entry of the ledgers on a line of its own."""
    for name, ledger in ledgers.items():
        for entry in ledger.entries:
            line = f"{name}\t{entry.reason}\t{entry.where}\t{entry.detail}"
            output().print(printable(line), markup=False)


if __name__ == "__main__":
    commands.run(inspect)
