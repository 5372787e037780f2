"""Refuse what would not work before a job begins, and say what to install."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tfner.exceptions import ConfigError, MissingExtraError
from tfner.serving.spark.errors import reason_of

OLDEST_JAVA = 17  # of Spark 4
JAVA_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
JAVA_REMEDY = "apt-get install openjdk-17-jre-headless, or name a newer one in JAVA_HOME"
# package -> the oldest that Spark 4 takes
PACKAGES = {"pyspark": 4, "pyarrow": 18, "pandas": 2}


def require_packages() -> None:
    """Import what Spark needs here; Arrow is what it gives Python its rows in.

    Raises:
        MissingExtraError: a package is missing or too old.
    """
    for name, oldest in PACKAGES.items():
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError(name, "spark", "python -m tfner.spark")
        version = importlib.import_module(name).__version__
        if int(version.partition(".")[0]) < oldest:
            expected = f"expected {name} {oldest} or later for Spark"
            raise ConfigError(f"{expected}, got {version}: pip install 'tfner[spark]'")


def require_java() -> None:
    """Look for the Java that a driver on this machine needs.

    Raises:
        ConfigError: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    expected = f"expected Java {OLDEST_JAVA} or later for Spark"
    if java is None or not Path(java).is_file():
        where = f" in JAVA_HOME ({home})" if home else ""
        raise ConfigError(f"{expected}, found none{where}: {JAVA_REMEDY}")
    version = java_version(java)
    if version < OLDEST_JAVA:
        raise ConfigError(f"{expected}, got {version} ({java}): {JAVA_REMEDY}")


def java_version(java: str) -> int:
    """Ask a Java for its version; 0 where it says none."""
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = JAVA_VERSION.search(done.stderr)
    return int(found[1]) if found else 0


def require_workers(spark: Any, task: Any, partitions: int) -> None:
    """Ask the workers whether they have what marking needs, in a job of their own.

    Raises:
        ConfigError: Python does not start there, or lacks a package or the model.
    """
    from tfner.serving.spark.worker import probe_worker

    rows = spark.range(0, partitions, 1, partitions)
    try:
        with without_warnings():
            found = rows.mapInArrow(partial(probe_worker, task), "lacking string").collect()
    except Exception as error:
        reason = reason_of(error)
        if "No module named" in reason or "PACKAGE_NOT_INSTALLED" in reason:
            remedy = "pip install 'tfner[spark]' into the Python that PYSPARK_PYTHON names there"
            reason = f"{reason}: {remedy}, or ship an environment with spark.archives"
        raise ConfigError(f"the workers' Python cannot mark: {reason}") from None
    lacking = sorted({row.lacking for row in found})
    if lacking:
        remedy = "pip install 'tfner[spark]' there; a model lies on a shared disk or is shipped"
        raise ConfigError(f"a worker lacks {'; '.join(lacking)}: {remedy}")


@contextmanager
def without_warnings() -> Iterator[None]:
    """Keep quiet that PySpark does not fully support pandas 3, of which nothing is used here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
        yield
