"""An export with a SentencePiece vocabulary: what it holds, and that it loads and answers."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import tiny_pieces
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import tfner
from tfner.serving.export.graph_guard import check_graph
from tfner.serving.export.warm_up import replay, warm_up_requests
from tfner.tokenizers.text_libraries import SENTENCEPIECE

TEXTS = [
    "Anna Svensson met Boris in New Oslo near the ACME Corp. house.",
    "東京都の大阪市でアンナがボリスに会った。",
    "</s> anna <mask> \u2581 boris <pad><s>",
    "E\u0301lodie ﬁrm\u200d 👩🏽‍🚀 \x00 oslo",
    "",
]


@pytest.fixture(scope="module")
def graph():
    content = (tiny_pieces.exported() / "saved_model.pb").read_bytes()
    return SavedModel.FromString(content).meta_graphs[0].graph_def


def test_the_model_is_held_once(graph):
    functions = [function.node_def for function in graph.library.function]
    nodes = [node for nodes in (graph.node, *functions) for node in nodes]
    contents = Counter(
        node.attr["value"].tensor.tensor_content for node in nodes if node.op == "Const"
    )
    converted = tiny_pieces.tokenizer()._model.numpy().tobytes()
    assert contents[converted] == 1
    assert [node.op for node in nodes].count(SENTENCEPIECE) == 2  # of texts and of words


def test_the_guard_takes_it_and_its_warm_up_passes():
    check_graph(tiny_pieces.exported())
    assert replay(tiny_pieces.exported()) == len(warm_up_requests(tiny_pieces.tagger()))


def test_entities_have_the_characters_that_they_name():
    model = tfner.load(tiny_pieces.exported())
    found = model.batch(TEXTS)
    assert sum(map(len, found)) > 10
    assert found[-1] == []
    for text, entities in zip(TEXTS, found, strict=True):
        assert all(text[entity.start : entity.end] == entity.text for entity in entities)


def test_a_word_without_a_piece_has_a_tag_and_no_score():
    words = np.array([["anna", "\u2581", "boris", "\u200b"]], object)
    signature = tiny_pieces.served().signatures["words"]
    import tensorflow as tf

    answer = signature(words=tf.constant(words.tolist()))
    assert [score > 0 for score in answer["score"].numpy()[0]] == [True, False, True, False]
