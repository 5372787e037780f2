"""The byte-level BPE inside a SavedModel: its tables are held once, it needs core operations alone,
and the servers' loader, where no Python of TensorFlow's is, gives the same tokens.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import tiny_bytes
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tfner.serving.export.allowed_ops import FUNCTION_OPS

TEXTS = [
    "The abc, e.g. U.S. don't",
    "",
    "각 \u200ee\u0301\u302e 中b 1²",
    "</s>\x00 internationalization",
]
WORDS = [["The", "abc", "\u200e"], ["각b", " x", ""]]
OLDEST = "2.12.1"  # of the servers that an export is to run on
SUPPORT = Path(__file__).parents[1] / "support"


class Model(tf.Module):
    """Two signatures over one tokenizer."""

    def __init__(self):
        super().__init__()
        self.tokenizer = tiny_bytes.tokenizer()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def text(self, text):
        return dense(self.tokenizer.tokenize_text(text))

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string, "words")])
    def words(self, words):
        return dense(self.tokenizer.tokenize_words(tf.RaggedTensor.from_tensor(words, padding="")))


def dense(tokens):
    return {
        name: tf.cast(member, tf.int32).to_tensor(-1) for name, member in tokens._asdict().items()
    }


@pytest.fixture(scope="module")
def export(tmp_path_factory) -> tuple[Model, Path]:
    """Give the model, and the folder that it was saved to."""
    folder, model = tmp_path_factory.mktemp("export"), Model()
    signatures = {"text": model.text, "words": model.words}
    tf.saved_model.save(model, folder, signatures=signatures)
    return model, folder


@pytest.fixture(scope="module")
def wanted(export) -> list[dict[str, list]]:
    model, _ = export
    answers = model.text(tf.constant(TEXTS)), model.words(tf.constant(WORDS))
    return [{name: value.numpy().tolist() for name, value in one.items()} for one in answers]


@pytest.fixture(scope="module")
def nodes(export) -> list[Any]:
    content = (export[1] / "saved_model.pb").read_bytes()
    graph = SavedModel.FromString(content).meta_graphs[0].graph_def
    functions = [function.node_def for function in graph.library.function]
    return [node for nodes in (graph.node, *functions) for node in nodes]


def test_what_is_loaded_again_gives_the_same_tokens(export, wanted):
    model = tf.saved_model.load(str(export[1]))
    of_texts = model.signatures["text"](text=tf.constant(TEXTS))
    answers = of_texts, model.signatures["words"](words=tf.constant(WORDS))
    found = [{name: value.numpy().tolist() for name, value in one.items()} for one in answers]
    assert found == wanted
    assert max(map(len, wanted[0]["ids"])) > 10


@pytest.mark.skipif(sys.platform != "linux", reason="c_api.py knows the wheels for Linux")
def test_the_servers_loader_gives_the_same_tokens_with_core_operations_alone(export, wanted):
    def encoded(values: list, *shape: int) -> list:
        return [shape, [value.encode().decode("latin-1") for value in values]]

    flat = [word for row in WORDS for word in row]
    requests = [
        ("text", {"text": encoded(TEXTS, len(TEXTS))}),
        ("words", {"words": encoded(flat, len(WORDS), len(WORDS[0]))}),
    ]
    question = {"model": str(export[1]), "requests": requests, "library": None}
    packages = Path(tf.__file__).parents[1]
    command = [sys.executable, "-I", "-S", str(SUPPORT / "c_api.py"), str(packages)]
    options = {"capture_output": True, "text": True, "check": False}
    result = subprocess.run(command, input=json.dumps(question), **options)
    assert result.returncode == 0, result.stderr[-2000:]
    for answer, expected in zip(json.loads(result.stdout)["answers"], wanted, strict=True):
        assert answer.keys() == expected.keys()
        for name, rows in expected.items():
            assert answer[name][1] == [value for row in rows for value in row], name


def test_its_operations_are_cores_of_the_oldest_server_and_keep_nothing(nodes):
    core = json.loads((SUPPORT / "serving_ops.json").read_text(encoding="utf-8"))["core"][OLDEST]
    functions = ("StatefulPartitionedCall", "PartitionedCall", "Placeholder", "NoOp")
    found = {node.op for node in nodes} - set(functions)
    saving = ("MergeV2Checkpoints", "SaveV2", "RestoreV2", "ShardedFilename", "StringJoin")
    assert found - set(core) - set(saving) == set()
    assert found - FUNCTION_OPS <= set(saving) | {"DisableCopyOnRead", "AssignVariableOp"}
    assert tiny_bytes.tokenizer().ops == ()


def test_tables_are_held_once(nodes):
    tensors = [node.attr["value"].tensor for node in nodes if node.op == "Const"]
    contents = Counter(tensor.tensor_content for tensor in tensors)
    tokenizer = tiny_bytes.tokenizer()
    for table in tokenizer._merger._table.keys, tokenizer._whole.hashes, tokenizer._byte_ids:
        assert contents[table.numpy().tobytes()] == 1
    pieces = tokenizer._whole.pieces.numpy().tolist()
    assert [list(tensor.string_val) for tensor in tensors].count(pieces) == 1
