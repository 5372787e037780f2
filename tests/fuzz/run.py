"""Look for inputs for which a property does not hold.

    python tests/fuzz/run.py readers --seconds 200 --corpus FOLDER

Coverage-guided, with atheris (`pip install 'tfner[fuzz]'`), one process a target. The corpus is
kept, so that a later run goes on from it. An input that fails is kept in FOLDER/TARGET/failed with
its traceback, and the search goes on. For each target a line tells: inputs tried, branches seen
after the seeds and at the end, peak memory then and at the end, the slowest input, failures. The
exit code is 1 if an input failed, a process died, took longer than 20 s over one input, or grew by
more memory than --growth.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SECONDS_AN_INPUT, LONGEST_INPUT, MEMORY = 20, 4096, 4096
STATUS = re.compile(
    r"#(\d+)\s+(INITED|DONE|pulse|NEW|REDUCE|RELOAD)\s+cov: (\d+) ft: \d+ corp: (\d+)/\S+ .*?rss: "
    r"(\d+)Mb"
)
ONE_THREAD = {
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}  # its operations are small
COLUMNS = "{:12} {:>11} {:>15} {:>17} {:>9} {:>8}"


class Watch:
    """Calls a target's property.

    Keeps one input for each place where it fails, and notes the slowest.
    """

    def __init__(self, target: Any, folder: Path):
        self._target, self._folder = target, folder
        self._places: set[str] = set()
        self._slowest, self._written = 0.0, 0.0

    def __call__(self, data: bytes) -> None:
        begin = time.monotonic()
        try:
            if self._target.guide:
                self._target.guide(data)
            self._target.check(data)
        except Exception as error:
            self._keep(data, error)
        now = time.monotonic()
        self._slowest = max(self._slowest, now - begin)
        if now > self._written + 1:
            self._written = now
            (self._folder / "notes.json").write_text(
                json.dumps({"slowest": round(self._slowest, 3), "failed": len(self._places)})
            )

    def _keep(self, data: bytes, error: Exception) -> None:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__}-{Path(frame.filename).stem}-{frame.lineno}"
        if place in self._places:
            return
        self._places.add(place)
        self._written = 0.0
        (self._folder / "failed" / place).write_bytes(data)
        (self._folder / "failed" / f"{place}.txt").write_text(
            "".join(traceback.format_exception(error)), errors="backslashreplace"
        )


def fuzz(name: str, folder: Path, seconds: int) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["tfner", "slow_units"]):
        import json_mutator
        import targets

        target = targets.load(name, atheris.instrument_func)
    target.check(
        target.seeds[0]
    )  # what is made once is made before the clock and the memory are read
    for number, seed in enumerate(target.seeds):
        (folder / "corpus" / f"seed-{number}").write_bytes(seed)
    words = ["".join(f"\\x{byte:02x}" for byte in word.encode()) for word in target.words]
    (folder / "words.txt").write_text("".join(f'"{word}"\n' for word in words))
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={SECONDS_AN_INPUT}",
        f"-max_len={LONGEST_INPUT}",
        f"-rss_limit_mb={MEMORY}",
    ]
    options += [f"-dict={folder / 'words.txt'}", f"-artifact_prefix={folder / 'failed'}/"]

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        if not target.keys or seed % 4 == 0:
            return atheris.Mutate(data, size)
        return (data[: target.skip] + json_mutator.mutate(data[target.skip :], seed, target.keys))[
            :size
        ]

    atheris.Setup(
        [name, *options, str(folder / "corpus")], Watch(target, folder), custom_mutator=mutate
    )
    atheris.Fuzz()


def campaign(name: str, folder: Path, seconds: int) -> dict[str, Any]:
    """Fuzz one target in a process of its own; what came of it."""
    for part in ("corpus", "failed"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "notes.json").write_text('{"slowest": 0, "failed": 0}')
    command = [
        sys.executable,
        str(HERE / "run.py"),
        name,
        "--seconds",
        str(seconds),
        "--child",
        str(folder),
    ]
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with (
        (folder / "log.txt").open("wb") as log,
        tempfile.TemporaryDirectory(prefix="tfner-fuzz-", dir=memory) as place,
    ):
        variables = {**ONE_THREAD, **os.environ, "TMPDIR": place}
        code = subprocess.run(
            command, stdout=log, stderr=log, env=variables, check=False
        ).returncode
    return {
        "target": name,
        "code": code,
        **read_log(folder / "log.txt"),
        **json.loads((folder / "notes.json").read_text()),
    }


def read_log(path: Path) -> dict[str, Any]:
    """Inputs tried; branches and peak memory in MB after the seeds and at the end.

    Zeros if it did not begin.
    """
    found = STATUS.findall(path.read_text(errors="replace"))
    first = next((line for line in found if line[1] == "INITED"), ("0",) * 5)
    last = found[-1] if found else first
    return {
        "inputs": int(last[0]),
        "branches": (int(first[2]), int(last[2])),
        "memory": (int(first[4]), int(last[4])),
    }


def show(result: dict[str, Any]) -> str:
    branches, memory = ("{} -> {}".format(*result[key]) for key in ("branches", "memory"))
    inputs, slowest = f"{result['inputs']:,}", f"{result['slowest']:.2f} s"
    return COLUMNS.format(
        result["target"], inputs, branches, f"{memory} MB", slowest, result["failed"]
    )


def is_well(result: dict[str, Any], growth: int) -> bool:
    before, after = result["memory"]
    return (
        result["code"] == 0
        and result["failed"] == 0
        and result["inputs"] > 0
        and after - before <= growth
    )


def main() -> int:
    sys.path[:0] = [str(HERE), str(HERE.parent / "support"), str(HERE.parents[1])]
    from targets import READERS, TEXT

    groups = {
        "readers": READERS,
        "text-path": TEXT,
        **{name: (name,) for name in (*READERS, *TEXT)},
    }
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "targets", nargs="+", choices=groups, help="readers, text-path, or targets by name"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=Path.home() / ".cache" / "tfner" / "fuzz",
        help="outside of the repository",
    )
    parser.add_argument(
        "--growth", type=int, default=100, help="MB that peak memory may grow by after the seeds"
    )
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        fuzz(given.targets[0], given.child, given.seconds)
    names = [name for group in given.targets for name in groups[group]]
    print(COLUMNS.format("target", "inputs", "branches", "peak memory", "slowest", "failures"))
    well = True
    for name in names:
        result = campaign(name, given.corpus / name, max(1, given.seconds // len(names)))
        print(show(result), flush=True)
        well &= is_well(result, given.growth)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
