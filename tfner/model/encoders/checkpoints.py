"""Find the folder of a pretrained checkpoint: on this machine, or on the hub."""

from __future__ import annotations

from pathlib import Path

from tfner.exceptions import ModelError
from tfner.safeio.printable import first_line
from tfner.safeio.sources import CHECKPOINT, encoder_folder
from tfner.tokenizers.registry import tokenizer_files

SAFETENSORS = ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors")
WEIGHTS = (SAFETENSORS, ("tf_model.h5",))


def resolve_checkpoint(checkpoint: str, key: str = CHECKPOINT) -> Path:
    """Find the folder of a checkpoint; a hub name is looked up in the hub's cache or downloaded.

    Args:
        checkpoint: a folder, `embedded:PATH` or the name on the hub.
        key: what names it, for messages.

    Raises:
        ConfigError: no such folder, and not shaped like a hub name.
        ModelError: the hub has no such model or cannot be reached.
    """
    folder = encoder_folder(checkpoint, key)
    return folder if folder is not None else download(checkpoint, key)


def download(name: str, key: str) -> Path:
    """Download a checkpoint with its weights in one format: many hold the same weights in three."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    small_files = ("config.json", *tokenizer_files())
    for weights in WEIGHTS:
        try:
            folder = Path(snapshot_download(name, allow_patterns=[*small_files, *weights]))
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
            reason = first_line(error)
            fault = f"{name} is no local folder and could not be had from the hub: {reason}"
            raise ModelError(f"{key}: {fault}") from None
        if any(any(folder.glob(pattern)) for pattern in weights):
            break
    return folder
