"""Ship a model to the workers with the job, where they share no disk."""

from __future__ import annotations

import atexit
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")


def is_archive(model: str) -> bool:
    """Tell whether a model is an archive, which Spark ships and unpacks."""
    return model.endswith(SUFFIXES)


def ship_archive(spark: SparkSession, archive: str) -> str:
    """Have Spark bring an archive to each worker and unpack it; give its name there."""
    name = f"tfner-{Path(archive).name}"
    spark.sparkContext.addArchive(f"{archive}#{name}")
    return name


def ship_folder(spark: SparkSession, version: Path) -> str:
    """Ship the folder of a version; give its name on the workers.

    The archive lies here as long as this process runs, for workers that join later.
    """
    folder = Path(tempfile.mkdtemp(prefix="tfner-model-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    name = f"{version.parent.name}-{version.name}-{folder.name}"
    archive = folder / f"{name}.tar"
    with tarfile.open(archive, "w") as file:
        for path in version.iterdir():
            file.add(path, path.name)
    return ship_archive(spark, str(archive))
