"""`python -m tfner.select MODEL INPUT --n 200`: choose the texts whose marking teaches most."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tfner import commands
from tfner.annotation.review import output_formats
from tfner.annotation.selection import POOL, Choice, Pool, choose_texts
from tfner.commands import messages
from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError
from tfner.formats.reading import as_source, read_unmarked
from tfner.formats.registry import choose, names_of, readable_unmarked
from tfner.formats.settings import MAX_FILE, MAX_LINE
from tfner.formats.writers import PredictionWriter, open_writer
from tfner.monitoring.progress import meter
from tfner.safeio.printable import one_line, printable, show
from tfner.safeio.sources import name_source

LONGEST_TEXT = 60  # characters in the table
READ = f"auto, {', '.join(names_of(readable_unmarked()))}"
MODEL_HELP = "Exported folder (saved_models/NAME or a version of it) or run folder."
INPUT_HELP = "Texts without marks: files, folders or patterns."
N_HELP = "Texts to choose."
SEED_HELP = "Decides between texts of the same worth."
OUTPUT_HELP = "File, or folder for brat; - is standard output."
FORMAT_HELP = f"{', '.join(names_of(output_formats()))}."
READ_HELP = f"{READ}; auto goes by the file's name."
Model = Annotated[Path, typer.Argument(metavar="MODEL", help=MODEL_HELP)]
Inputs = Annotated[list[str], typer.Argument(metavar="INPUT...", help=INPUT_HELP)]
Number = Annotated[int, typer.Option("--n", min=1, help=N_HELP)]
Seed = Annotated[int, typer.Option("--seed", help=SEED_HELP)]
Output = Annotated[str, typer.Option("--output", "-o", help=OUTPUT_HELP)]
Format = Annotated[str, typer.Option("--format", help=FORMAT_HELP)]
InputFormat = Annotated[str, typer.Option(help=READ_HELP)]


def select(
    model: Model,
    inputs: Inputs,
    n: Number = 200,
    output: Output = "-",
    format: Format = "jsonl",
    input_format: InputFormat = "auto",
    seed: Seed = 1,
    encoding: commands.Encoding = "utf-8",
    token_column: commands.TokenColumn = None,
    sentence_column: commands.SentenceColumn = None,
    max_line: commands.MaxLine = MAX_LINE,
    max_file: commands.MaxFile = MAX_FILE,
) -> None:
    """Choose the texts whose marking teaches a model most, and write them with what it proposes."""
    choose(format, output_formats(), lambda text: ConfigError(f"--format: {text}"))
    known = ["auto", *names_of(readable_unmarked())]
    if input_format not in known:
        expected = f"expected one of {', '.join(known)}"
        raise ConfigError(f"--input-format: {expected}, got {show(input_format)}")
    columns = {"token_column": token_column, "sentence_column": sentence_column}
    settings = commands.validate_reading(
        encoding=encoding, max_line=max_line, max_file=max_file, **columns
    )
    source = as_source(inputs)
    documents = read_unmarked(source, settings, input_format)
    first = list(islice(documents, 1))  # what cannot be read is said before a model is opened
    target = sys.stdout if output == "-" else output
    with open_writer(format, target) as writer:
        pool = Pool(POOL * n, seed)
        recognizer = commands.open_recognizer(model)
        weigh(model, chain(first, documents), pool)
        choices = list(choose_texts(pool.candidates(), n))
        if not choices:
            raise DataError(f"{name_source(source)}: expected texts to choose from, found none")
        chosen = [choice.candidate.document for choice in choices]
        found = recognizer.documents(chosen)
        for document, entities in zip(chosen, found, strict=True):
            writer.write(document, entities)
    tell(choices, pool, n, writer)


def weigh(model: Path, documents: Iterable[Document], pool: Pool) -> None:
    """Ask a model about all documents, and put those of which it is least sure into a pool."""
    from tfner.serving.runtime.bulk import count_words
    from tfner.serving.runtime.recognizer import in_blocks
    from tfner.training.teachers import open_teacher
    from tfner.training.unit_answers import ask_units, open_any_tokenizer

    asked = open_teacher(str(model), setting="")
    tokenizer = open_any_tokenizer()
    with meter(messages(), "documents", None) as shown:
        for block in in_blocks(documents):
            answers = ask_units(asked, tokenizer, block)
            for document, (units, probabilities) in zip(block, answers, strict=True):
                pool.add(document, units, probabilities)
            words = sum(map(count_words, block))
            shown.advance(len(block), words)


def tell(choices: Sequence[Choice], pool: Pool, n: int, writer: PredictionWriter) -> None:
    """Say what was chosen, and why, on standard error."""
    table = Table("worth", "expected errors", "document", "text")
    for choice in choices:
        candidate = choice.candidate
        document = candidate.document
        name = document.id or f"document {candidate.number}"
        text = one_line(document.text[:LONGEST_TEXT])
        errors = f"{candidate.expected_errors:.2f}"
        table.add_row(f"{choice.worth:.3f}", errors, printable(name), text)
    console = messages()
    console.print(table)
    console.print(
        f"chosen: {len(choices):,} of {pool.seen:,} texts; {pool.repeated:,} were repeated"
    )
    if len(choices) < n:
        console.print(f"no more than {len(choices):,} texts are unlike each other")
    if writer.ledger.entries:
        console.print(f"not written as they are: {writer.ledger.summary()}")


if __name__ == "__main__":
    commands.run(select)
