"""Cut text into GPT-2's pre-tokens in graph, as Hugging Face's `ByteLevel` does.

GPT-2's rule is a regular expression; of the alternatives the first that fits is taken:

    's|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+

So a run of letters, of numbers or of other characters is one pre-token, with a space before it if
there is one; of white space before them the last character is cut off; and an apostrophe with
certain letters is one, unless a space or another such character stands before it.
"""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf
from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from tfner.tokenizers.characters import (
    CharacterTable,
    compress,
    fill_planes,
    probed_code_points,
    text_of,
)
from tfner.tokenizers.pretokens import look_up
from tfner.tokenizers.ragged_ops import add_row_begins, concat, indices_of, ranges, row_lengths

OTHER, LETTER, NUMBER, SPACE = range(4)
PATTERNS = {LETTER: r"\p{L}", NUMBER: r"\p{N}", SPACE: r"\s"}
BLANK, APOSTROPHE = ord(" "), ord("'")
# What may follow an apostrophe: one letter, or two as one number.
ONE_LETTER = tuple(map(ord, "stmd"))
LETTER_BITS = 8
TWO_LETTERS = tuple(ord(first) << LETTER_BITS | ord(last) for first, last in ("re", "ve", "ll"))


class PretokenRule(tf.Module):
    """Hold the table of classes and find where pre-tokens begin."""

    def __init__(self):
        super().__init__(name="pretoken_rule")
        table = class_table()
        with tf.device("/CPU:0"):
            self._index = tf.constant(table.index)
            self._blocks = tf.constant(table.blocks)

    def __call__(self, code_N: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
        """Tell which characters begin a pre-token.

        >>> text = " I'll  pay 5!"
        >>> begins = PretokenRule()(tf.constant(list(map(ord, text))), tf.constant([0, len(text)]))
        >>> [text[start] for start in indices_of(begins).numpy()]
        [' ', "'", ' ', ' ', ' ', '!']

        Args:
            code_N: int32, code points of texts on end.
            splits: int32 [R + 1], where the texts begin.

        Returns:
            bool [N].
        """
        class_N = look_up(code_N, self._index, self._blocks)
        begins_row = add_row_begins(tf.zeros_like(code_N), splits) > 0
        first_N, next_first_N = begins_row[:-1], begins_row[1:]
        same_N = tf.equal(class_N, concat([OTHER], class_N[:-1]))
        changes_N = tf.logical_not(same_N)
        space_N = tf.equal(class_N, SPACE)
        after_blank_N = concat([False], tf.equal(code_N, BLANK)[:-1])
        joined_N = after_blank_N & tf.logical_not(space_N)
        ink_next_N = concat(tf.logical_not(space_N)[1:], [False])
        last_space_N = space_N & ink_next_N & tf.logical_not(next_first_N)
        change_N = changes_N & tf.logical_not(joined_N)
        begins_N = first_N | change_N | last_space_N
        return cut_contractions(code_N, begins_N, begins_row)


def cut_contractions(code_N: tf.Tensor, begins_N: tf.Tensor, begins_row: tf.Tensor) -> tf.Tensor:
    """Make an apostrophe at the begin of a pre-token one with `s`, `ll` and others after it.

    Args:
        code_N, begins_N: code points, and whether each begins a pre-token.
        begins_row: bool [N + 1], whether it begins a text.

    Returns:
        bool [N], which begin a pre-token.
    """
    at_A = indices_of(tf.equal(code_N, APOSTROPHE) & begins_N)
    # no letter where the text ends, and none behind all
    code = concat(tf.where(begins_row[:-1], 0, code_N), [0, 0])
    first_A, second_A = tf.gather(code, at_A + 1), tf.gather(code, at_A + 2)
    pair_A = tf.bitwise.left_shift(first_A, LETTER_BITS) | second_A
    is_one_A = tf.reduce_any(tf.equal(tf.expand_dims(first_A, 1), ONE_LETTER), 1)
    is_two_A = tf.reduce_any(tf.equal(tf.expand_dims(pair_A, 1), TWO_LETTERS), 1)
    is_either_A = is_one_A | is_two_A
    found = indices_of(is_either_A)
    at_D = tf.gather(at_A, found)
    length_D = tf.where(tf.gather(is_one_A, found), 2, 3)
    begins = concat(begins_N, [True])
    inner_D, after_D = tf.expand_dims(at_D + 1, 1), tf.expand_dims(at_D + length_D, 1)
    begins = tf.tensor_scatter_nd_update(begins, inner_D, tf.zeros_like(at_D, tf.bool))
    begins = tf.tensor_scatter_nd_update(begins, after_D, tf.ones_like(at_D, tf.bool))
    return begins[:-1]


def mark_begins(code_N: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Put a space before each text that has none at its begin, as `add_prefix_space` does.

    >>> codes, splits = mark_begins(tf.constant([97, 98, 32, 97]), tf.constant([0, 2, 2, 4]))
    >>> codes.numpy().tolist(), splits.numpy().tolist()
    ([32, 97, 98, 32, 97], [0, 3, 3, 5])

    Returns:
        int32 [M] and [R + 1], code points and where the texts begin; an empty text stays empty.
    """
    padded = concat([BLANK], code_N, [BLANK])
    begin_R = splits[:-1]
    first_R = tf.gather(padded, begin_R + 1)
    bare_R = tf.not_equal(first_R, BLANK) & (row_lengths(splits) > 0)
    marked_splits, index_M = ranges(begin_R - tf.cast(bare_R, tf.int32), splits[1:])
    code_M = tf.gather(padded, index_M + 1)
    marked = tf.gather(marked_splits, indices_of(bare_R))
    blank = tf.fill(tf.shape(marked), BLANK)
    code_M = tf.tensor_scatter_nd_update(code_M, tf.expand_dims(marked, 1), blank)
    return code_M, marked_splits


@functools.cache
def class_table() -> CharacterTable:
    """Tabulate the class of every code point, OTHER to SPACE, read off Hugging Face's own code."""
    code_points = probed_code_points()
    text = text_of(code_points)
    patterns = "|".join(f"{pattern}+" for pattern in PATTERNS.values())
    runs = Split(Regex(patterns), "isolated").pre_tokenize_str(text)
    firsts = "".join(run[0] for run, _ in runs)
    class_of_run = np.full(len(runs), OTHER, np.int32)
    for kind, pattern in PATTERNS.items():
        class_of_run[matches(pattern, firsts)] = kind
    lengths = [end - start for _, (start, end) in runs]
    classes = np.repeat(class_of_run, lengths)
    return compress(fill_planes(classes, code_points), np.zeros(0, np.int32))


def matches(pattern: str, text: str) -> np.ndarray:
    """Tell which characters of a text a pattern of one character fits: bool [N].

    >>> matches(r"\\p{L}", "a1b").tolist()
    [True, False, True]
    """
    fits = np.ones(len(text), bool)
    for _, (start, end) in Split(Regex(pattern), "removed").pre_tokenize_str(text):
        fits[start:end] = False
    return fits
