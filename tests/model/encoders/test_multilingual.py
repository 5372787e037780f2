"""A real encoder with XLM-R's pieces: ids are those that its weights were trained with."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tfner.model.encoders.encoder import EncoderInput
from tfner.model.encoders.families import build_encoder
from tfner.tokenizers.registry import open_tokenizer

PAIRS = [
    ("The capital of France is Paris.", "La capitale de la France est Paris."),
    ("I like to eat pizza.", "Me gusta comer pizza."),
    ("The train to Berlin was late today.", "Der Zug nach Berlin war heute verspätet."),
    ("The company sold its factory in China.", "Virksomheden solgte sin fabrik i Kina."),
]


@pytest.mark.encoder
def test_a_sentence_is_nearest_to_its_translation(multilingual_dir):
    tokenizer = open_tokenizer(multilingual_dir)
    encoder = build_encoder(multilingual_dir)
    sentences = [sentence for pair in PAIRS for sentence in pair]
    rows = tokenizer.tokenize_text(tf.constant(sentences)).ids.to_list()
    width = 2 + max(map(len, rows))
    shape = len(rows), width
    ids, mask = np.full(shape, tokenizer.pad_id, np.int32), np.zeros(shape, np.int32)
    for number, row in enumerate(rows):
        framed = [tokenizer.cls_id, *row, tokenizer.sep_id]
        ids[number, : len(framed)] = framed
        mask[number, : len(framed)] = 1
    hidden = encoder(EncoderInput(tf.constant(ids), tf.constant(mask))).numpy()
    means = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    similarity = unit @ unit.T - np.eye(len(rows))
    translation = [number ^ 1 for number in range(len(rows))]
    assert similarity.argmax(1).tolist() == translation
