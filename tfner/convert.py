"""`python -m tfner.convert CHECKPOINT --to saved_models/NAME`: export what others fine-tuned."""

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
    "hub."
)
TO_HELP = "Folder that receives the export, such as saved_models/people."
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
    labels: Annotated[str | None, typer.Option(metavar="O,B-PER,…", help=LABELS_HELP)] = None,
    scheme: Annotated[str | None, typer.Option(metavar="SCHEME", help=SCHEME_HELP)] = None,
) -> None:
    """Export a tagger that was fine-tuned with transformers, without training."""
    if to is None:
        raise ConfigError(f"command line: --to: {TO_HELP[0].lower()}{TO_HELP[1:-1]}, is required")
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
