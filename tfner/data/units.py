"""The word rule: which BERT pre-tokens of raw text make one unit together, in graph.

A unit is what gets one tag. Raw text is cut at white space into chunks; every CJK character is a unit by itself; from the two ends of a
chunk punctuation is parted, a run of the same character (`...`, `--`) staying together; what is inside stays: `U.S`, `O'Brien`, `e-mail`.
"""

from __future__ import annotations

import tensorflow as tf

from tfner.data.characters import CJK, LETTER


def unit_starts(kind_P: tf.Tensor, code_P: tf.Tensor, space_before_P: tf.Tensor) -> tf.Tensor:
    """Which pre-tokens begin a unit: bool (P,).

    Args:
        kind_P: int32, LETTER, PUNCTUATION or CJK.
        code_P: int32, the first code point of each pre-token as written.
        space_before_P: bool, white space or the begin of a text stands before it.
    """
    cjk_P = tf.equal(kind_P, CJK)
    chunk_start_P = space_before_P | cjk_P | shifted(cjk_P)
    edge_P = chunk_edges(tf.equal(kind_P, LETTER), chunk_start_P)
    same_P = edge_P & shifted(edge_P) & tf.equal(code_P, shifted(code_P))
    return chunk_start_P | ((edge_P | shifted(edge_P)) & ~same_P)


def chunk_edges(word_P: tf.Tensor, chunk_start_P: tf.Tensor) -> tf.Tensor:
    """Which pre-tokens stand before the first word of their chunk or after its last: bool (P,)."""
    first_Q = tf.cast(tf.where(chunk_start_P)[:, 0], tf.int32)
    chunk_P = tf.cumsum(tf.cast(chunk_start_P, tf.int32)) - 1
    words = tf.cumsum(tf.cast(word_P, tf.int32))
    before_Q = tf.gather(words - tf.cast(word_P, tf.int32), first_Q)  # words before each chunk
    after_Q = tf.concat([before_Q[1:], words[-1:]], 0)
    return ~word_P & (tf.equal(words, tf.gather(before_Q, chunk_P)) | tf.equal(words, tf.gather(after_Q, chunk_P)))


def shifted(values_P: tf.Tensor) -> tf.Tensor:
    """What stands one place before; zero or False before the first."""
    return tf.concat([tf.zeros_like(values_P[:1]), values_P[:-1]], 0)
