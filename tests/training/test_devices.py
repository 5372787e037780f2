"""Train alike on one device, two or four, or two processes; refuse devices that are not there."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
import tiny
import typer
import yaml
from device_cases import Carrying
from seqeval.metrics import f1_score
from subprocesses import ROOT, clusters

from tfner.commands import BAD_INPUT
from tfner.config import RunSettings, apply_override
from tfner.exceptions import ConfigError
from tfner.safeio.validation import validate
from tfner.training.devices.cluster import Cluster, read_cluster
from tfner.training.devices.strategy import ABORTED, Devices, open_devices

pytestmark = pytest.mark.long

DEPLOY = ROOT / "deploy"
HOSTS = ["a:1", "b:2"]
KEY_BIAS = 8  # place among the trainable variables


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("devices")
    tiny.write_one_layer(folder / "bert")
    return folder


@pytest.fixture(scope="module")
def left_behind(home):
    """What each training measured, and its weights, by case and devices."""
    processes = [Carrying(home, "1:whole", "2:whole,parts")]
    for cluster in clusters(2):
        processes.append(Carrying(home, "worker:whole,parts", TF_CONFIG=cluster))
    return read_left(home, processes)


@pytest.fixture(scope="module")
def left_by_four(home):
    return read_left(home, [Carrying(home, "4:whole")])


def read_left(
    folder: Path, processes: Sequence[Carrying]
) -> Mapping[str, tuple[dict, list[np.ndarray]]]:
    """Read what processes have left when they have ended."""
    for process in processes:
        code, said = process.end()
        assert code == 0, said
    found = {}
    for file in folder.glob("*.json"):
        weights = np.load(file.with_suffix(".npz"))
        found[file.stem] = json.loads(file.read_text()), [weights[name] for name in weights.files]
    return found


@pytest.mark.parametrize(
    ("case", "replicas"),
    [
        ("whole on 2", 2),
        pytest.param("whole on 4", 4, marks=pytest.mark.slow),
        ("parts on 2", 2),
        ("whole on worker0", 2),
        ("whole on worker1", 2),
        ("parts on worker0", 2),
        ("parts on worker1", 2),
    ],
)
def test_losses_gradients_and_weights_are_those_of_one_device(left_behind, request, case, replicas):
    left = request.getfixturevalue("left_by_four") if replicas == 4 else left_behind
    measured, weights = left[case]
    expected, expected_weights = left_behind["whole on 1"]
    assert measured["replicas"] == replicas
    assert (
        measured["unlabelled"] == expected["unlabelled"] > 0
    )  # batches without any label are among the 20
    assert measured["one_sided"] > 0  # and some where one replica has pieces but no label
    np.testing.assert_allclose(measured["loss"], expected["loss"], rtol=1e-5)
    np.testing.assert_allclose(
        measured["norm"], expected["norm"], rtol=1e-5
    )  # before clipping: neither a mean nor twice the sum
    assert min(expected["norm"]) < 0.5 < max(expected["norm"])  # what clipping begins at
    for number, (found, wanted) in enumerate(zip(weights, expected_weights, strict=True)):
        # It moves all scores of a query alike: its gradient is 0 but for rounding.
        if number == KEY_BIAS:
            assert found.shape == (32,)
            continue
        np.testing.assert_allclose(
            found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max(), err_msg=str(number)
        )


def test_the_weights_have_learned(left_behind):
    """Twenty steps without effect would be equal too."""
    assert left_behind["whole on 1"][0]["moved"] > 0.01


def test_f1_in_the_logs_is_seqevals_over_all_data(left_behind):
    expected = f1_score(*left_behind["whole on 1"][0]["tags"])
    assert 0.1 < expected < 0.9
    assert [measured["f1"] for measured, _ in left_behind.values()] == pytest.approx(
        [expected] * len(left_behind)
    )


def test_accuracy_in_the_logs_is_that_of_all_data(left_behind):
    gold, found = (
        [tag for row in rows for tag in row] for rows in left_behind["whole on 1"][0]["tags"]
    )
    expected = float(np.mean([one == other for one, other in zip(gold, found, strict=True)]))
    assert [measured["accuracy"] for measured, _ in left_behind.values()] == pytest.approx(
        [expected] * len(left_behind)
    )


def test_a_step_is_traced_once_on_any_number_of_devices(left_behind):
    assert {measured["traces"] for measured, _ in left_behind.values()} == {1}


def cluster(task=("worker", 0), **members) -> str:
    return json.dumps({"cluster": members, "task": {"type": task[0], "index": task[1]}})


def test_a_cluster_is_counted_from_its_chief():
    assert read_cluster(cluster(worker=HOSTS)) == Cluster(("a:1", "b:2"), 0)
    assert read_cluster(cluster(("worker", 1), worker=HOSTS)).worker == 1
    assert read_cluster(cluster(("chief", 0), chief=["c:3"], worker=HOSTS)) == Cluster(
        ("c:3", "a:1", "b:2"), 0
    )
    assert read_cluster(cluster(("worker", 1), chief=["c:3"], worker=HOSTS)).worker == 2
    assert (
        read_cluster(cluster(worker=["[::1]:2222", "node-7.cluster.local:2222"])).addresses[0]
        == "[::1]:2222"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"TF_CONFIG: expected JSON such as \{.*got '\{'"),
        ("[]", r"TF_CONFIG: expected 'cluster' as in"),
        ('{"cluster": {}}', r"TF_CONFIG: expected 'task' as in"),
        (
            cluster(ps=["a:1"], worker=HOSTS),
            r"TF_CONFIG: cluster: expected the members chief and worker, got 'ps'",
        ),
        (
            cluster(worker="a:1"),
            r"TF_CONFIG: cluster: worker: expected a list of HOST:PORT, got 'a:1'",
        ),
        (
            cluster(worker=["a"]),
            r"TF_CONFIG: cluster: worker: expected a list of HOST:PORT, got \['a'\]",
        ),
        (cluster(worker=["http://a:1"]), r"expected a list of HOST:PORT"),
        (cluster(("chief", 0), chief=["a:1", "c:1"]), r"chief: expected one address, got 2"),
        (
            cluster(worker=["a:1", "a:1"]),
            r"expected the address of each worker once, got \['a:1', 'a:1'\]",
        ),
        (cluster(), r"expected the address of each worker once, got \[\]"),
        (
            cluster(("worker", 2), worker=HOSTS),
            r"TF_CONFIG: task: expected one of the cluster \(worker 0 to 1\), got worker 2",
        ),
        (cluster(("worker", -1), worker=HOSTS), r"got worker -1"),
        (cluster(("evaluator", 0), worker=HOSTS), r"got evaluator 0"),
        (
            cluster(("worker", True), worker=HOSTS),
            r"TF_CONFIG: task: expected 'index' as in .*, got True",
        ),
        (
            cluster(("worker", "0"), worker=HOSTS),
            r"TF_CONFIG: task: expected 'index' as in .*, got '0'",
        ),
    ],
)
def test_a_wrong_tf_config_is_refused_with_the_place(monkeypatch, text, message):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigError, match=message):
        open_devices("multi_worker")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("gpu", r"devices: gpu: expected a GPU, TensorFlow finds none"),
        ("mirrored", r"devices: mirrored: expected several GPUs, got 0"),
        (
            "multi_worker",
            r"devices: multi_worker: expected the environment variable TF_CONFIG, which is not set",
        ),
        ("tpu", r"devices: tpu: no TPU can be used \(TPU_NAME=local\)"),
    ],
)
def test_devices_that_are_not_there_are_refused(monkeypatch, kind, message):
    for name in ("TF_CONFIG", "TPU_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    with pytest.raises(ConfigError, match=message):
        open_devices(kind)


def test_auto_takes_what_there_is(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("TPU_NAME", raising=False)
    monkeypatch.setattr("tfner.training.devices.strategy.has_accelerator", lambda: False)
    chosen = {}
    for kind in ("cpu", "gpu", "mirrored", "multi_worker", "tpu"):
        monkeypatch.setattr(
            f"tfner.training.devices.strategy.{FUNCTIONS[kind]}",
            lambda kind=kind: Devices(kind, tf.distribute.get_strategy()),
        )
    for gpus in (0, 1, 2):
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind, gpus=gpus: [kind] * gpus)
        chosen[gpus] = open_devices().kind
    for name, text in (("no worker", "{}"), ("one worker", cluster(worker=["a:1"]))):
        monkeypatch.setenv("TF_CONFIG", text)
        chosen[name] = open_devices().kind
    monkeypatch.setenv("TF_CONFIG", cluster(worker=HOSTS))
    chosen["two workers"] = open_devices().kind
    monkeypatch.setenv("TPU_NAME", "local")
    chosen["a TPU"] = open_devices().kind
    several = {
        2: "mirrored",
        "no worker": "mirrored",
        "one worker": "mirrored",
        "two workers": "multi_worker",
    }
    assert chosen == {0: "cpu", 1: "gpu", **several, "a TPU": "tpu"}


FUNCTIONS = {
    "cpu": "on_cpu",
    "gpu": "on_gpu",
    "mirrored": "on_all",
    "multi_worker": "on_workers",
    "tpu": "on_tpu",
}


def test_one_process_needs_nobody():
    devices = open_devices("cpu")
    values = np.arange(3.0)
    assert (devices.chief, devices.replicas, devices.workers) == (True, 1, 1)
    assert devices.broadcast_from_chief(values) is values
    assert devices.lost(tf.errors.UnavailableError(None, None, "a file system")) is None


def test_the_loss_of_a_worker_is_told_in_a_line():
    devices = Devices("multi_worker", tf.distribute.get_strategy(), worker=1, workers=2)
    error = tf.errors.UnavailableError(
        None,
        None,
        f"Graph execution error:\n\nDetected at node X\n{ABORTED} by: Socket closed\nAdditional",
    )
    assert str(devices.lost(error)).startswith(
        "worker 1 of 2: another one has ended or cannot be reached (Socket closed); "
    )
    assert devices.lost(tf.errors.InvalidArgumentError(None, None, "shapes differ")) is None


def settings_of(command: Sequence[str], folder: Path) -> dict:
    """What a command line of ours means, by its own parser, for a configuration that exists."""
    from typer.testing import CliRunner

    from tfner import train as entry
    from tfner.config import load_settings

    assert command[:3] == ["python", "-m", "tfner.train"]
    tiny.write_checkpoint(folder / "bert", None)
    path = folder / "run.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "name": "x",
                "encoder": {"checkpoint": str(folder / "bert"), "max_length": 16, "overlap": 4},
            }
        )
    )
    app = typer.Typer()
    seen: list[tuple] = []
    app.command()(
        functools.wraps(entry.train)(
            lambda config, overrides=None, **_: seen.append((config, overrides))
        )
    )
    result = CliRunner().invoke(app, list(command[3:]))
    assert result.exit_code == 0, result.output
    return load_settings(path, seen[0][1] or ()).model_dump()


def test_the_kubernetes_job_is_whole_and_its_command_ours(tmp_path):
    service, job = yaml.safe_load_all((DEPLOY / "training.yaml").read_text())
    name, spec, pod = job["metadata"]["name"], job["spec"], job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    values = {each["name"]: each for each in container["env"]}
    for index in range(spec["completions"]):
        found = read_cluster(values["TF_CONFIG"]["value"].replace("$(INDEX)", str(index)))
        assert found.worker == index
        port = service["spec"]["ports"][0]["port"]
        assert found.addresses == tuple(
            f"{name}-{number}.{pod['subdomain']}:{port}" for number in range(spec["completions"])
        )
        assert container["ports"] == [{"containerPort": port}]
    names = list(values)
    assert names.index("INDEX") < names.index("TF_CONFIG")  # or it could not be named in it
    assert (
        values["INDEX"]["valueFrom"]["fieldRef"]["fieldPath"]
        == "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    )
    assert (spec["completionMode"], spec["parallelism"]) == ("Indexed", spec["completions"])
    assert (service["metadata"]["name"], service["spec"]["clusterIP"]) == (pod["subdomain"], "None")
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    assert spec["podFailurePolicy"]["rules"][0]["onExitCodes"] == {
        "containerName": "training",
        "operator": "In",
        "values": [BAD_INPUT],
    }
    assert spec["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    assert pod["restartPolicy"] == "Never"  # as a podFailurePolicy demands
    settings = settings_of(container["command"], tmp_path)
    assert (settings["devices"], settings["runs_dir"]) == ("multi_worker", "/training/runs")


def test_the_slurm_script_gives_each_task_its_place(tmp_path):
    stand_ins = {
        "scontrol": '[ "$*" = "show hostnames node[1-2]" ] && printf "node1\\nnode2\\n"',
        "srun": '[ "$1" = --kill-on-bad-exit=1 ] || exit 1\nshift\nfor SLURM_PROCID in 0 1; do '
        'SLURM_PROCID=$SLURM_PROCID "$@"; done',
        "python": 'echo "$TF_CONFIG"; echo "python $*"',
    }
    for name, script in stand_ins.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "node[1-2]"}
    result = subprocess.run(
        ["bash", str(DEPLOY / "training.slurm"), "configs/mine.yaml"],
        env=variables,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [read_cluster(line) for line in lines[::2]] == [
        Cluster(("node1:2222", "node2:2222"), worker) for worker in (0, 1)
    ]
    assert lines[1] == lines[3]
    assert settings_of(lines[1].split(), tmp_path)["devices"] == "multi_worker"


def test_what_the_page_shows_is_read_as_meant():
    page = (ROOT / "docs" / "devices.md").read_text()
    shown = re.findall(r"^export TF_CONFIG='(.*)'$", page, re.MULTILINE)
    assert [read_cluster(text) for text in shown] == [
        Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), worker) for worker in (0, 1)
    ]
    for command in re.findall(r"^python -m tfner\.train \S+ (.*)$", page, re.MULTILINE):
        values = {"name": "x", "encoder": {"checkpoint": str(tiny.checkpoint())}}
        for override in command.split():
            apply_override(values, override)
        validate(values, RunSettings, page)
    for name in re.findall(r"deploy/\S+\.(?:yaml|slurm)", page):
        assert (ROOT / name).is_file()
    kinds = set(get_args(RunSettings.model_fields["devices"].annotation))
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == kinds | {"devices"}
