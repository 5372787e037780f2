"""`python -m tfner.suspects CONFIG.yaml [key=value …]`: find marks that are likely to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tfner import commands
from tfner.annotation.readings import labels_of_tags
from tfner.annotation.review import (
    count_suspects,
    output_formats,
    print_suspects,
    propose,
    write_page,
    write_suspects,
)
from tfner.annotation.suspects import Suspect, rank_suspects
from tfner.commands import (
    FOLDS,
    carry_out_folds,
    load_tensorflow,
    messages,
    output,
    train_with_tensorflow,
)
from tfner.config import load_settings
from tfner.corpus.ledger import Ledger
from tfner.exceptions import ConfigError, DataError
from tfner.formats.registry import choose, names_of
from tfner.formats.writers import open_writer
from tfner.monitoring.progress import meter
from tfner.safeio.json_text import read_json_object
from tfner.safeio.printable import show
from tfner.tagging.schemes import LabelSet
from tfner.training.folds.folder import FoldsFolder, folder_of
from tfner.training.folds.out_of_fold import OutOfFold, read_predictions
from tfner.training.state.termination import announce_ctrl_c

LISTED = 50
CONFIG_HELP = (
    "YAML file with the settings of the run, or the folder of a finished cross-validation."
)
N_HELP = "Suspects in the table, on the page and in the output."
HTML_HELP = "Write them as a page too, one file that needs nothing from outside."
OUTPUT_HELP = "Write their documents with what is proposed, to be marked again."
FORMAT_HELP = f"Of the output: {', '.join(names_of(output_formats()))}."
ALONE_HELP = "Judge a text only by the model that has not learned it; the others are not asked."
Alone = Annotated[bool, typer.Option("--out-of-fold", help=ALONE_HELP)]
Config = Annotated[Path, typer.Argument(metavar="CONFIG|FOLDER", help=CONFIG_HELP)]
Number = Annotated[int, typer.Option("--n", min=1, help=N_HELP)]
Html = Annotated[Path | None, typer.Option(metavar="FILE", help=HTML_HELP)]
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help=OUTPUT_HELP)]
Format = Annotated[str, typer.Option("--format", help=FORMAT_HELP)]


def suspects(
    config: Config,
    overrides: commands.Overrides = None,
    n: Number = LISTED,
    html: Html = None,
    output_file: Output = None,
    format: Format = "jsonl",
    alone: Alone = False,
    folds: commands.Folds = FOLDS,
    to: commands.FoldsTo = None,
    overwrite: commands.FoldsAgain = False,
) -> None:
    """List the marks of data.train that are likely to be wrong, the worst first.

    They are judged by the models of a cross-validation, of which one has not learned them. It is
    carried out, or gone on with; the same command goes on with one that was stopped.
    """
    choose(format, output_formats(), lambda text: ConfigError(f"--format: {text}"))
    if config.is_dir():
        if overrides:
            shown = show(overrides[0])
            raise ConfigError(f"{config}: expected no settings beside a folder, got {shown}")
        folder = FoldsFolder(config)
    else:
        settings = load_settings(config, overrides or ())
        folder = FoldsFolder(to) if to is not None else folder_of(settings)
        carry_out_folds(settings, folder, folds, train_with_tensorflow, overwrite=overwrite)
    labels = read_labels(folder)
    predictions = list(read_predictions(folder.predictions))
    if not alone:
        stopping = f"stopping; the models of {folder.path} stay, and the same command asks them"
        with announce_ctrl_c(lambda: stopping, lambda: f"ended at once; {stopping}"):
            predictions = ask_with_tensorflow(folder, predictions)
    ledger = Ledger()
    with messages().status("ranking"):
        ranked = rank_suspects(predictions, labels, ledger)
    counts = count_suspects(ranked)
    listed = ranked[:n]
    print_suspects(output(), listed)
    output().print(str(counts))
    if ledger.entries:
        messages().print(f"not judged: {ledger.summary()}")
    path = folder.path / "suspects.jsonl"
    write_suspects(path, ranked)
    output().print(f"all of them: {path}")
    if html is not None:
        write_page(html, folder.path.name, listed, counts)
    if output_file is not None:
        write_proposals(listed, output_file, format)


def read_labels(folder: FoldsFolder) -> LabelSet:
    """Read the tags of a finished cross-validation.

    Raises:
        ConfigError: it is none, or not finished.
        DataError: its report is damaged.
    """
    if not (folder.report.is_file() and folder.predictions.is_file()):
        expected = "expected the folder of a finished cross-validation"
        raise ConfigError(f"{folder.path}: {expected}, with {folder.report.name}")
    tags = read_json_object(folder.report).get("tags")
    try:
        return labels_of_tags(tags or ())
    except (ConfigError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{folder.report}: expected tags, got {show(tags)}: {error}") from None


def ask_with_tensorflow(folder: FoldsFolder, predictions: list[OutOfFold]) -> list[OutOfFold]:
    """Ask all models about all documents; TensorFlow is imported here."""
    load_tensorflow()
    from tfner.training.folds.all_models import average_models

    folds = {each.fold for each in predictions}
    total = len(folds) * len(predictions)
    with meter(messages(), "documents asked about", total) as shown:
        average = average_models(folder, predictions, shown)
    pairs = zip(predictions, average, strict=True)
    return [replace(each, probabilities=said) for each, said in pairs]


def write_proposals(listed: Sequence[Suspect], path: Path, format: str) -> None:
    """Write the documents of suspects with what is proposed."""
    with open_writer(format, path) as writer:
        documents = 0
        for document, entities in propose(listed):
            writer.write(document, entities)
            documents += 1
    messages().print(f"{path}: {documents:,} documents as is proposed")
    if writer.ledger.entries:
        messages().print(f"not written as they are: {writer.ledger.summary()}")


if __name__ == "__main__":
    commands.run(suspects)
