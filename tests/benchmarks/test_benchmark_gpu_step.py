"""The steps that are timed on a GPU are lowered here; under JAX they give TensorFlow's losses."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.gpu import compare

pytestmark = pytest.mark.long
STEPS = ("training, packed", "inference, padded")


@pytest.fixture(scope="module")
def lowered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lowered")
    compare.main(["lower", str(folder), "--smoke"])
    return folder


@pytest.fixture(scope="module")
def described(lowered):
    return json.loads((lowered / "steps.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", STEPS)
def test_the_program_is_hlo_whose_parameters_are_the_arguments(lowered, described, name):
    from tensorflow.compiler.xla.service import hlo_pb2

    module = hlo_pb2.HloModuleProto.FromString(
        (lowered / f"{name.replace(', ', '-')}.hlo").read_bytes()
    )
    arguments = described["steps"][name]["arguments"]
    assert [list(parameter.dimensions) for parameter in module.host_program_shape.parameters] == [
        each["shape"] for each in arguments
    ]
    opcodes = {
        instruction.opcode
        for computation in module.computations
        for instruction in computation.instructions
    }
    assert {"dot", "exponential"} <= opcodes
    assert not opcodes & {
        "custom-call",
        "infeed",
        "outfeed",
    }  # nothing that only this machine's compiler knows


@pytest.mark.parametrize("name", STEPS)
def test_what_a_step_changes_goes_back_in(described, name):
    step = described["steps"][name]
    updated = [step["arguments"][number] for number in step["updates"].values()]
    if not step["training"]:
        assert updated == []
        return
    matrices = [each["shape"] for each in updated if each["dtype"] == "float32"]
    assert (
        matrices.count([described["vocabulary"], described["hidden"]]) == 3
    )  # the table of words and its two moments
    assert any(
        each["dtype"] == "int64" and each["shape"] == [3] for each in updated
    )  # states of dropout: each step draws anew


def test_the_step_learns(described):
    losses = described["steps"]["training, packed"]["losses"]
    assert losses[0] == pytest.approx(np.log(described["tags"]), abs=0.3)
    assert losses[-1] < losses[0]


def test_timing_needs_no_tensorflow(pytestconfig):
    code = (
        "import sys; from benchmarks.gpu import compare; compare.parse(['time', 'folder']); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, cwd=pytestconfig.rootpath, check=False).returncode == 0


def test_jax_gives_the_losses_of_tensorflow(lowered, capsys):
    pytest.importorskip(
        "jax", reason="jax is not installed: it compiles the lowered steps", exc_type=ImportError
    )
    compare.main(["time", str(lowered), "--smoke", "--sides", "xla"])
    assert capsys.readouterr().out.count("against TensorFlow's: within") == len(STEPS)


def test_pytorch_runs_the_same_steps(lowered, capsys):
    pytest.importorskip(
        "torch", reason="torch is not installed: it is the other side", exc_type=ImportError
    )
    compare.main(["time", str(lowered), "--smoke", "--sides", "torch"])
    assert capsys.readouterr().out.count("\ntorch ") == len(STEPS)


def test_other_losses_end_the_benchmark():
    assert "within" in compare.compare_losses([2.0, 1.5], [2.0, 1.5001])
    for wrong in ([2.0, 1.6], [2.0, float("nan")]):
        with pytest.raises(SystemExit, match="TensorFlow gave"):
            compare.compare_losses([2.0, 1.5], wrong)
