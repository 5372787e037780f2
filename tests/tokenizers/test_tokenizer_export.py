"""The tokenizer inside a SavedModel: its ops, its weight, and how it loads without TF.Text."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import tensorflow as tf
from bert_oracle import ours
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from tfner.exceptions import ModelError
from tfner.tokenizers import text_libraries, text_ops

TEXTS = ["The abc, e.g. U.S.", "", "각 \u200ee\u0301\u302e 中b", "[SEP] \x00"]
WORDS = [["The", "abc", "\u200e"], ["各b", "", ""]]
TABLES_LIMIT = 1_500_000  # bytes that the tables and the graph may add to the WordPiece model

# Runs without tfner's tokenizer: load the op, load the export, answer, and tell what was imported
# and which ops were unknown before.
LOADER = """
import json, sys
from pathlib import Path
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry
folder, texts, words = sys.argv[1], *map(json.loads, sys.argv[2:4])
graph = SavedModel.FromString(Path(folder, "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
groups = [graph.node, *(function.node_def for function in graph.library.function)]
ops = {node.op for nodes in groups for node in nodes}
functions = {function.signature.name for function in graph.library.function}
unknown = sorted(op for op in ops - functions if op_def_registry.get(op) is None)
from tfner.tokenizers.text_ops import load_text_ops
load_text_ops(), load_text_ops()
model = tf.saved_model.load(folder)
of_texts = model.signatures["text"](text=tf.constant(texts))
answers = [of_texts, model.signatures["words"](words=tf.constant(words))]
watched = ("tensorflow_text", "keras", "tf_keras", "transformers")
lists = [{name: value.numpy().tolist() for name, value in answer.items()} for answer in answers]
print(json.dumps({
    "unknown": unknown,
    "imported": [name for name in watched if name in sys.modules],
    "answers": lists,
}))
"""


class Model(tf.Module):
    """Two signatures over one tokenizer."""

    def __init__(self):
        super().__init__()
        self.tokenizer = ours(lowercase=True)

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
def export(tmp_path_factory):
    """The model, and the folder that it was saved to."""
    folder, model = tmp_path_factory.mktemp("export"), Model()
    tf.saved_model.save(model, folder, signatures={"text": model.text, "words": model.words})
    return model, folder


def test_a_process_without_tf_text_gives_the_same(export):
    model, folder = export
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        LOADER,
        str(folder),
        json.dumps(TEXTS),
        json.dumps(WORDS),
    ]
    root = Path(__file__).parents[2]
    result = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    loaded = json.loads(result.stdout.splitlines()[-1])
    assert loaded["unknown"] == list(model.tokenizer.ops) == ["FastWordpieceTokenizeWithOffsets"]
    assert not {"tensorflow_text", "transformers"} & set(loaded["imported"])
    for answer, expected in zip(
        loaded["answers"],
        (model.text(tf.constant(TEXTS)), model.words(tf.constant(WORDS))),
        strict=True,
    ):
        assert answer == {name: value.numpy().tolist() for name, value in expected.items()}


def test_model_and_tables_are_stored_once(export):
    model, folder = export
    size = Path(folder, "saved_model.pb").stat().st_size
    graph = (
        SavedModel.FromString(Path(folder, "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    )
    nodes = [
        node
        for nodes in (graph.node, *(function.node_def for function in graph.library.function))
        for node in nodes
    ]
    large = Counter(
        node.attr["value"].tensor.tensor_content
        for node in nodes
        if node.op == "Const" and node.ByteSize() > 1_000
    )
    assert len(large) >= 4
    assert set(large.values()) == {1}
    assert size - len(model.tokenizer._model) < TABLES_LIMIT


def test_a_missing_package_and_a_wrong_library_are_named(monkeypatch):
    monkeypatch.setattr(text_libraries.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="pip install tensorflow-text"):
        text_ops.load_text_op.__wrapped__(text_libraries.WORDPIECE)
    monkeypatch.undo()
    monkeypatch.setitem(text_libraries.LIBRARIES, text_libraries.WORDPIECE, "absent.so")
    expected = rf"absent\.so: expected the op {text_libraries.WORDPIECE} of tensorflow-text"
    with pytest.raises(ModelError, match=expected):
        text_ops.load_text_op.__wrapped__(text_libraries.WORDPIECE)
