"""`python -m tfner.convert`: export what others fine-tuned, or give others what a run trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfner.commands import output, run
from tfner.exceptions import ConfigError
from tfner.quiet_tensorflow import load_tensorflow
from tfner.safeio.printable import show
from tfner.tagging.schemes import PREFIXES, Scheme

CHECKPOINT_HELP = (
    "A fine-tuned model of transformers for token classification: its folder, or its name on the "
    "hub. With --to-hf the folder of a run."
)
TO_HELP = "Folder that receives the export, such as saved_models/people."
TO_HF_HELP = "Folder that receives a run as a model of transformers, new or empty."
OVERWRITE_HELP = "Replace a model of transformers in the folder of --to-hf."
SETTINGS_HELP = "Settings of the group export, as precision=bfloat16 or decoder=greedy."
LABELS_HELP = (
    "Names of the head's outputs, in their order, parted by commas, in place of the checkpoint's; "
    "- leaves one out."
)
SCHEME_HELP = f"{', '.join(PREFIXES)}: what the tags mean, where their prefixes do not tell."


def convert(
    checkpoint: Annotated[str, typer.Argument(metavar="CHECKPOINT", help=CHECKPOINT_HELP)],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE …]", help=SETTINGS_HELP)
    ] = None,
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help=TO_HELP)] = None,
    to_hf: Annotated[Path | None, typer.Option(metavar="FOLDER", help=TO_HF_HELP)] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help=OVERWRITE_HELP)] = False,
    labels: Annotated[str | None, typer.Option(metavar="O,B-PER,…", help=LABELS_HELP)] = None,
    scheme: Annotated[str | None, typer.Option(metavar="SCHEME", help=SCHEME_HELP)] = None,
) -> None:
    """Export a tagger that was fine-tuned with transformers, or write a run as one of these."""
    if to_hf is not None:
        given = {"--to": to, "--labels": labels, "--scheme": scheme, "KEY=VALUE": overrides}
        others = [name for name, value in given.items() if value]
        if others:
            expected = "command line: --to-hf: expected a run and --overwrite alone"
            raise ConfigError(f"{expected}, got {', '.join(others)}")
        write_for_transformers(Path(checkpoint), to_hf, overwrite=overwrite)
        return
    if to is None:
        raise ConfigError(f"command line: --to: {TO_HELP[0].lower()}{TO_HELP[1:-1]}, is required")
    if overwrite:
        raise ConfigError("command line: --overwrite: expected --to-hf; --to adds a version")
    names = labels.split(",") if labels is not None else None
    known = read_scheme(scheme)
    load_tensorflow()
    from tfner.conversion.fine_tuned import model_name, open_fine_tuned
    from tfner.model.encoders.checkpoints import resolve_checkpoint
    from tfner.serving.export.bundle import export_model
    from tfner.training.environment import versions

    folder = resolve_checkpoint(checkpoint, "CHECKPOINT")
    name = model_name(to.resolve().name)
    options = {"names": names, "scheme": known, "overrides": overrides or ()}
    tagger, card = open_fine_tuned(folder, name=name, **options)
    card["versions"] = versions()
    types = ", ".join(card["labels"])
    output().print(f"{checkpoint}: {card['tag_scheme']}; types: {types}")
    output().print(f"exported: {export_model(tagger, card, to)}")


def write_for_transformers(run: Path, to: Path, *, overwrite: bool) -> None:
    """Write a run as a folder of transformers."""
    load_tensorflow()
    from tfner.training.restore import write_run_for_transformers

    written = write_run_for_transformers(run, to, overwrite=overwrite)
    output().print(f"written: {written.path}")


def read_scheme(text: str | None) -> Scheme | None:
    """Read the name of a tag scheme.

    Raises:
        ConfigError: there is none of that name.
    """
    for scheme in PREFIXES:
        if text == scheme:
            return scheme
    if text is not None:
        raise ConfigError(f"--scheme: expected one of {', '.join(PREFIXES)}, got {show(text)}")
    return None


if __name__ == "__main__":
    run(convert)
