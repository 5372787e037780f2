"""A tiny run in processes of its own, which are killed at random moments and started again, beside
one that is left alone.

    PYTHONPATH=. python tests/support/sudden_death.py FOLDER --kills 25 --seed 1

makes FOLDER/runs/whole, unless it is there, kills the processes of FOLDER/runs/killed so often,
lets the last one finish (not with --unfinished, so that another call goes on) and compares all that
the two have learned, bit for bit. Processes are forked from one that has imported TensorFlow and
not used it, which saves the seconds that the import takes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

import tiny
import yaml
from subprocesses import forks

PEOPLE, PLACES = ("anna", "boris", "clara", "david"), ("oslo", "paris", "lima", "kiev")
PATIENCE = 200.0  # seconds until something must have happened


def write_config(
    folder: Path,
    name: str,
    *,
    dev: bool = False,
    checkpoint: Path | None = None,
    head: str = "crf",
    **training: object,
) -> Path:
    """A run of a BERT of one layer, dropouts and all, in `folder`."""
    encoder = checkpoint or small_encoder(folder / "encoder")
    for split, count in (("train", 48), ("dev", 12)):
        write_sentences(folder / f"{split}.conll", count, seed=len(split))
    values = {
        "name": name,
        "data": {
            "train": str(folder / "train.conll"),
            **({"dev": str(folder / "dev.conll")} if dev else {}),
        },
        "encoder": {"checkpoint": str(encoder), "max_length": 16, "overlap": 4},
        "model": {"head": head},
        "training": {
            "epochs": 4,
            "batch_size": 4,
            "learning_rate": 5e-3,
            "deterministic": True,
            "checkpoint_steps": 2,
            **training,
        },
        "export": {"enabled": False},
        "devices": "cpu",
        "runs_dir": str(folder / "runs"),
        "exports_dir": str(folder / "exports"),
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def small_encoder(folder: Path) -> Path:
    rates = {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    return tiny.write_one_layer(folder, **rates)


def write_sentences(path: Path, count: int, seed: int) -> None:
    draw = random.Random(seed)
    rows = [
        f"{draw.choice(PEOPLE)} B-PER\nmet O\nthe O\nbank O\nin O\n{draw.choice(PLACES)} B-LOC\n"
        for _ in range(count)
    ]
    path.write_text("\n".join(rows), encoding="utf-8")


class Ended(NamedTuple):
    """How a process ended: its exit code, negative for a signal, and all that it said."""

    code: int
    text: str


class Run:
    """One process of a run; what it says is in a file, or on a terminal."""

    def __init__(self, config: Path, *overrides: str, to: str = "", term: str = "dumb"):
        self.log = Path(to) if to else config.with_suffix(f".{time.time_ns()}.log")
        line = ["train", str(config), *overrides]
        self.process = forks.Process(target=command, args=(str(self.log), line, term))
        self.process.start()

    def end(self) -> Ended:
        self.process.join(PATIENCE)
        return Ended(self.process.exitcode, self.log.read_text(encoding="utf-8"))

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)


def command(log: str, arguments: list[str], term: str) -> None:
    """What `python -m tfner.train` does, in a process that has been forked."""
    os.environ["TERM"] = term
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.argv = arguments
    from tfner.commands import run
    from tfner.train import train

    run(train)


def carry_out(config: Path) -> Ended:
    return Run(config).end()


def saved(runs: Path, name: str) -> set[str]:
    """What is in the folder of a run's checkpoints, unfinished ones included."""
    folder = runs / name / "checkpoints" / "last"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def wait_until(happened, run: Run) -> bool:
    """Whether it has happened before the run ended."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if not run.process.is_alive() or time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


class Kill(NamedTuple):
    """Tell where a process was killed.

    Seconds since its start, the newest checkpoint then, and whether one was just being written.
    """

    seconds: float
    newest: str
    saving: bool


def kill_once(
    config: Path, runs: Path, draw: random.Random, *, starting: float = 0.2, window: float = 0.4
) -> Kill | None:
    """Start the run and kill it.

    While it starts, so often in the long run as `starting` says, else in the `window` of seconds
    after it has learned something; None if it was finished before.
    """
    name, begin = config.stem, time.monotonic()
    before = saved(runs, name)
    run = Run(config)
    if draw.random() < starting:
        time.sleep(draw.uniform(0.0, 4.0))
    else:
        wait_until(lambda: saved(runs, name) - before, run)
        time.sleep(draw.uniform(0.0, window))
    if not run.process.is_alive():
        return None
    run.signal(signal.SIGKILL)
    run.process.join()
    left = saved(runs, name)
    newest = max((path for path in left if not path.startswith(".")), default="none")
    saving = any(path.startswith(".") for path in left - before)
    return Kill(time.monotonic() - begin, newest, saving)


def differences(one: Path, other: Path) -> list[str]:
    """Names of what two runs have learned that is not the same, bit for bit.

    Weights, moments, random state, metrics, best weights.
    """
    import tensorflow as tf

    found = [] if learned(one) == learned(other) else ["metrics.jsonl"]
    for kind in ("last", "best"):
        readers = [
            tf.train.load_checkpoint(
                str(max((run / "checkpoints" / kind).glob("[sb]*-*")) / "weights")
            )
            for run in (one, other)
        ]
        names = [set(reader.get_variable_to_shape_map()) for reader in readers]
        found += sorted(names[0] ^ names[1])
        numbers = [name for name in names[0] & names[1] if name.endswith("VARIABLE_VALUE")]
        found += [
            name
            for name in numbers
            if readers[0].get_tensor(name).tobytes() != readers[1].get_tensor(name).tobytes()
        ]
    return found


def learned(run: Path) -> list[tuple[float, ...]]:
    """Loss and scores of each epoch of a run."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [
        tuple(
            line.get(name, 0.0)
            for name in ("epoch", "loss", "accuracy", "entity_f1", "val_entity_f1")
        )
        for line in lines
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--unfinished", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    kills = kill_and_compare(
        options.folder,
        options.kills,
        options.seed,
        finish=not options.unfinished,
        dev=True,
        epochs=options.epochs,
    )
    for kill in kills:
        saving = ", while saving" if kill.saving else ""
        print(f"killed after {kill.seconds:.1f} s, newest checkpoint {kill.newest}{saving}")


def kill_and_compare(
    folder: Path, kills: int, seed: int, *, finish: bool = True, **options: object
) -> list[Kill]:
    """The kills, after which the run has ended as one that was left alone."""
    whole, killed = (write_config(folder, name, **options) for name in ("whole", "killed"))
    runs, draw = folder / "runs", random.Random(seed)
    if not (runs / "whole" / "report.json").exists():
        ended = carry_out(whole)
        assert ended.code == 0, ended.text
    made = [kill_once(killed, runs, draw) for _ in range(kills)]
    assert None not in made, (
        f"the run was over after {made.index(None)} kills: it is too short for {kills}"
    )
    if finish:
        ended = carry_out(killed)
        assert ended.code == 0, ended.text
        assert not differences(runs / "whole", runs / "killed")
        print("no difference")
    return [kill for kill in made if kill]


if __name__ == "__main__":
    main()
