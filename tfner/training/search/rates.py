"""Find the number that a learning rate of `auto` is, and check one range for several encoders.

The number goes by the encoder's width, which its config.json tells; TensorFlow is not needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfner.config import RunSettings
from tfner.exceptions import ConfigError, ModelError
from tfner.safeio.printable import first_line
from tfner.safeio.sources import CHECKPOINT, encoder_folder, read_size
from tfner.setting_groups import usual_rate
from tfner.training.search.dimensions import Choices, Dimension

RATE = "training.learning_rate"
CONFIG = "config.json"


def rate_of(settings: RunSettings) -> float:
    """Give the learning rate of a configuration as a number.

    Raises:
        ConfigError, ModelError: it goes by the width of an encoder that cannot be read.
    """
    rate = settings.training.learning_rate
    if rate == "auto":
        width = encoder_width(settings.encoder.checkpoint)
        return usual_rate(width)
    return rate


def encoder_width(checkpoint: str) -> int:
    """Read how wide an encoder is.

    Raises:
        ConfigError: its config.json does not say.
        ModelError: it is on the hub, which cannot be reached or has no such model.
    """
    folder = encoder_folder(checkpoint)
    path = find_on_hub(checkpoint) if folder is None else folder / CONFIG
    return read_size(path, "hidden_size")


def find_on_hub(name: str) -> Path:
    """Find the config.json of a hub name: in the hub's cache, else it alone is downloaded."""
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        path = try_to_load_from_cache(name, CONFIG)
        if not isinstance(path, str):
            path = hf_hub_download(name, CONFIG)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = first_line(error)
        fault = f"{name} is no local folder and could not be had from the hub: {reason}"
        raise ModelError(f"{CHECKPOINT}: {fault}") from None
    return Path(path)


def check_rates(dimensions: Mapping[str, Dimension], source: str) -> None:
    """Check that numbers of the learning rate are tried of encoders of one width alone.

    A number that is good for a narrow encoder lets a wide one diverge: the search would compare
    encoders by how well the range suits them.

    Raises:
        ConfigError: several widths are tried.
        ModelError: see `encoder_width`.
    """
    rates, encoders = dimensions.get(RATE), dimensions.get(CHECKPOINT)
    if rates is None or not isinstance(encoders, Choices):
        return
    widths = {checkpoint: encoder_width(checkpoint) for checkpoint in encoders.values}
    if len(set(widths.values())) > 1:
        expected = f"expected encoders of one width beside {CHECKPOINT}"
        advice = "left out, it may be auto, which goes by each one's width"
        raise ConfigError(f"{source}: {RATE}: {expected}, got {describe_widths(widths)}; {advice}")


def describe_widths(widths: Mapping[str, Any]) -> str:
    """List encoders with their widths.

    >>> describe_widths({"narrow": 384, "wide": 1024})
    'narrow (384), wide (1024)'
    """
    return ", ".join(f"{checkpoint} ({width})" for checkpoint, width in widths.items())
