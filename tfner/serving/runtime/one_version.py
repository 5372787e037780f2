"""Find the one version of a model that all workers of a job are to load."""

from __future__ import annotations

from pathlib import Path

from tfner.exceptions import ModelError


def resolve_version(path: Path) -> Path:
    """Find the newest version, or the one named, however many are exported meanwhile.

    Raises:
        ModelError: there is no export of tfner's.
    """
    from tfner.serving.runtime.saved_model import find_version, read_card

    if (path / "config.yaml").is_file():
        came = f"the folder of a run: export it with python -m tfner.export {path}"
        raise ModelError(f"{path}: expected an exported model, got {came}")
    version = find_version(path).absolute()
    read_card(version)
    return version
