"""Merging all words at once against Hugging Face's BPE, which merges one pair after another."""

from __future__ import annotations

import string

import numpy as np
import tensorflow as tf
import tiny_bytes
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.models import BPE

from tfner.tokenizers.byte_pair_merges import Merger, MergeTable, merge_table

LETTERS = "abc"
Pairs = list[tuple[str, str]]


@st.composite
def tables(draw) -> Pairs:
    """Draw merges of which each joins letters or what others make, in any order.

    So some join on what comes out of a merge of higher rank, and some make the same.
    """
    pieces = list(LETTERS)
    pairs: Pairs = []
    for _ in range(draw(st.integers(0, 12))):
        pair = draw(st.sampled_from(pieces)), draw(st.sampled_from(pieces))
        if pair not in pairs and len("".join(pair)) <= 6:
            pairs.append(pair)
            pieces.append("".join(pair))
    return draw(st.permutations(pairs)) if draw(st.booleans()) else pairs


def number(pairs: Pairs) -> tuple[dict[str, int], np.ndarray]:
    """Give the ids of pieces, and the merges by id."""
    pieces = dict.fromkeys([*LETTERS, *("".join(pair) for pair in pairs)])
    ids = {piece: index for index, piece in enumerate(pieces)}
    rows = [(ids[left], ids[right], ids[left + right]) for left, right in pairs]
    return ids, np.array(rows, np.int32).reshape(-1, 3)


def merge(table: MergeTable, words: list[list[int]]) -> list[list[int]]:
    flat = tf.constant([id for word in words for id in word], tf.int32)
    word = tf.constant([index for index, word in enumerate(words) for _ in word], tf.int32)
    pieces, numbers = Merger(table)(flat, word)
    found: list[list[int]] = [[] for _ in words]
    for id, index in zip(pieces.numpy().tolist(), numbers.numpy().tolist(), strict=True):
        found[index].append(id)
    return found


@settings(max_examples=40)
@given(tables(), st.lists(st.text(LETTERS, min_size=1, max_size=14), min_size=1, max_size=6))
def test_any_merges_in_any_order_give_what_hugging_face_gives(pairs, words):
    ids, merges = number(pairs)
    oracle = tokenizers.Tokenizer(BPE(ids, pairs))
    wanted = [oracle.encode(word).ids for word in words]
    assert (
        merge(merge_table(merges), [[ids[letter] for letter in word] for word in words]) == wanted
    )


def test_a_merge_that_an_earlier_one_joins_on_is_made_one_at_a_time():
    pairs = [("ab", "c"), ("c", "a"), ("a", "b")]  # `abcab` becomes `abc ab`, not `ab ca b`
    ids, merges = number(pairs)
    table = merge_table(merges)
    assert table.lone.tolist() == [False, False, True, False]
    oracle = tokenizers.Tokenizer(BPE(ids, pairs))
    words = ["abcab", "abab", "cababc"]
    wanted = [oracle.encode(word).ids for word in words]
    assert merge(table, [[ids[letter] for letter in word] for word in words]) == wanted


def test_equal_pairs_in_a_row_are_merged_from_the_left():
    ids, merges = number([("a", "a"), ("b", "a"), ("a", "c")])
    words = ["a" * length for length in range(1, 8)]
    words += ["baaa", "aaac", "aac"]
    oracle = tokenizers.Tokenizer(BPE(ids, [("a", "a"), ("b", "a"), ("a", "c")]))
    wanted = [oracle.encode(word).ids for word in words]
    found = merge(merge_table(merges), [[ids[letter] for letter in word] for word in words])
    assert found == wanted


def test_nothing_is_merged_without_merges():
    none = np.zeros((0, 3), np.int32)
    assert merge(merge_table(none), [[0, 1], [2]]) == [[0, 1], [2]]


def test_trained_merges_are_few_rounds_and_none_is_made_alone():
    ids = tiny_bytes.vocab_json()
    pairs = [line.split(" ") for line in tiny_bytes.merges()]
    rows = [(ids[left], ids[right], ids[left + right]) for left, right in pairs]
    table = merge_table(np.array(rows, np.int32))
    assert not table.lone.any()
    assert len(set(table.round_ends.tolist())) < len(rows) / 8
    assert set(string.ascii_lowercase) <= ids.keys()
