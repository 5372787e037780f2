"""`python -m tfner.inspect DATA …`: what is in a corpus, and what a model could not learn from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tfner.commands import (
    Encoding,
    Format,
    MaxFile,
    MaxLine,
    Scheme,
    Strict,
    TagColumn,
    TokenColumn,
    load_tensorflow,
    output,
    run,
    validate_reading,
)
from tfner.config import MAX_FILE, MAX_LINE, ReadSettings, RunSettings, read_yaml
from tfner.corpus.ledger import Ledger
from tfner.corpus.statistics import CorpusStatistics, corpus_statistics
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.safeio.printable import printable
from tfner.safeio.validation import validate
from tfner.tagging.schemes import LabelSet

DEFAULT_TOKENIZER = (
    "embedded:quickstart/encoder"  # its units are every BERT's; its pieces are nobody's
)
CONFIGURATIONS = (".yaml", ".yml")


def inspect(
    data: Annotated[
        list[str],
        typer.Argument(
            help="Files or folders, a split each; or one configuration, whose splits are read."
        ),
    ],
    encoder: Annotated[
        str | None,
        typer.Option(
            help="Checkpoint whose vocabulary counts pieces; default: a configuration's own."
        ),
    ] = None,
    list_losses: Annotated[
        bool, typer.Option("--list", help="Name everything that is lost, repaired or misaligned.")
    ] = False,
    format: Format = "auto",
    encoding: Encoding = "utf-8",
    scheme: Scheme = "auto",
    token_column: TokenColumn = None,
    tag_column: TagColumn = None,
    strict: Strict = False,
    max_line: MaxLine = MAX_LINE,
    max_file: MaxFile = MAX_FILE,
) -> None:
    """Show documents, units, entities per type, lengths, duplicates and what cannot be learned."""
    if len(data) == 1 and Path(data[0]).suffix in CONFIGURATIONS:
        run_settings = validate(read_yaml(Path(data[0])), RunSettings, data[0])
        settings: ReadSettings = run_settings.data
        sources = {
            name: source
            for name in ("train", "dev", "test")
            if (source := getattr(run_settings.data, name))
        }
        encoder = encoder or run_settings.encoder.checkpoint
    else:
        settings = validate_reading(
            format=format,
            encoding=encoding,
            scheme=scheme,
            token_column=token_column,
            tag_column=tag_column,
            strict=strict,
            max_line=max_line,
            max_file=max_file,
        )
        sources = {source: source for source in data}
    statistics, ledgers = inspect_sources(sources, settings, encoder)
    statistics.print_table(output())
    if encoder is None:
        output().print(
            "lengths in pieces and unknown characters depend on a vocabulary: name one with --encoder"
        )
    if list_losses:
        print_losses(ledgers)


def inspect_sources(
    sources: Mapping[str, str], settings: ReadSettings, encoder: str | None = None
) -> tuple[CorpusStatistics, dict[str, Ledger]]:
    """Statistics of some splits, and the ledger of each; without an encoder no lengths in pieces."""
    ledgers = {name: Ledger() for name in sources}
    splits = {
        name: list(read_documents(source, settings, ledgers[name]))
        for name, source in sources.items()
    }
    if not any(splits.values()):
        raise DataError(f"{', '.join(sources.values())}: expected documents, found none")
    load_tensorflow()
    from tfner.data.token_stats import tokenizer_facts
    from tfner.model.encoders.checkpoints import resolve_checkpoint
    from tfner.tokenizers.registry import open_tokenizer

    tokenizer = open_tokenizer(resolve_checkpoint(encoder or DEFAULT_TOKENIZER))
    labels = labels_of([document for documents in splits.values() for document in documents])
    facts = {
        name: tokenizer_facts(documents, tokenizer, labels, ledgers[name])
        for name, documents in splits.items()
    }
    if encoder is None:
        facts = {
            name: replace(fact, pieces=None, unknown_characters={}) for name, fact in facts.items()
        }
    return corpus_statistics(splits, facts), ledgers


def labels_of(documents: Sequence[Document]) -> LabelSet:
    """Every entity type that occurs."""
    return LabelSet(
        tuple(sorted({entity.label for document in documents for entity in document.entities}))
    )


def print_losses(ledgers: Mapping[str, Ledger]) -> None:
    for name, ledger in ledgers.items():
        for entry in ledger.entries:
            output().print(
                printable(f"{name}\t{entry.reason}\t{entry.where}\t{entry.detail}"), markup=False
            )


if __name__ == "__main__":
    run(inspect)
