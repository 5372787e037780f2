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
from tfner.tokenizers.units import without

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
        zero_N = tf.zeros_like(code_N)
        begins_row = add_row_begins(zero_N, splits) > 0
        first_N = begins_row[:-1]
        next_first_N = begins_row[1:]
        class_before_N = concat([OTHER], class_N[:-1])
        changes_N = tf.not_equal(class_N, class_before_N)
        space_N = tf.equal(class_N, SPACE)
        ink_N = tf.logical_not(space_N)
        blank_N = tf.equal(code_N, BLANK)
        after_blank_N = concat([False], blank_N[:-1])
        joined_N = after_blank_N & ink_N
        ink_next_N = concat(ink_N[1:], [False])
        before_ink_N = space_N & ink_next_N
        last_space_N = without(before_ink_N, next_first_N)
        change_N = without(changes_N, joined_N)
        within_N = change_N | last_space_N
        begins_N = first_N | within_N
        return cut_contractions(code_N, begins_N, begins_row)


def cut_contractions(code_N: tf.Tensor, begins_N: tf.Tensor, begins_row: tf.Tensor) -> tf.Tensor:
    """Make an apostrophe at the begin of a pre-token one with `s`, `ll` and others after it.

    Args:
        code_N, begins_N: code points, and whether each begins a pre-token.
        begins_row: bool [N + 1], whether it begins a text.

    Returns:
        bool [N], which begin a pre-token.
    """
    apostrophe_N = tf.equal(code_N, APOSTROPHE)
    first_N = begins_N & apostrophe_N
    at_A = indices_of(first_N)
    # no letter where the text ends, and none behind all
    row_code_N = tf.where(begins_row[:-1], 0, code_N)
    code = concat(row_code_N, [0, 0])
    first_A = tf.gather(code, at_A + 1)
    second_A = tf.gather(code, at_A + 2)
    upper_A = tf.bitwise.left_shift(first_A, LETTER_BITS)
    pair_A = upper_A | second_A
    is_one_A = is_any(first_A, ONE_LETTER)
    is_two_A = is_any(pair_A, TWO_LETTERS)
    is_either_A = is_one_A | is_two_A
    found = indices_of(is_either_A)
    at_D = tf.gather(at_A, found)
    one_D = tf.gather(is_one_A, found)
    length_D = tf.where(one_D, 2, 3)
    begins = concat(begins_N, [True])
    begins = set_at(begins, at_D + 1, False)
    begins = set_at(begins, at_D + length_D, True)
    return begins[:-1]


def is_any(value_A: tf.Tensor, values: tuple[int, ...]) -> tf.Tensor:
    """Tell which values are one of some few: int32 [A] -> bool [A]."""
    column = tf.expand_dims(value_A, 1)
    equal = tf.equal(column, values)
    return tf.reduce_any(equal, 1)


def set_at(values_V: tf.Tensor, index_D: tf.Tensor, value: int | bool) -> tf.Tensor:
    """Set one value wherever an index says; [V], int32 [D] -> [V].

    >>> set_at(tf.constant([7, 8, 9]), tf.constant([0, 2]), 5).numpy().tolist()
    [5, 8, 5]
    """
    shape = tf.shape(index_D)
    constant = tf.cast(value, values_V.dtype)
    value_D = tf.fill(shape, constant)
    column = tf.expand_dims(index_D, 1)
    return tf.tensor_scatter_nd_update(values_V, column, value_D)


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
    inked_R = tf.not_equal(first_R, BLANK)
    filled_R = row_lengths(splits) > 0
    bare_R = inked_R & filled_R
    width_R = tf.cast(bare_R, tf.int32)
    start_R = begin_R - width_R
    marked_splits, index_M = ranges(start_R, splits[1:])
    code_M = tf.gather(padded, index_M + 1)
    bare = indices_of(bare_R)
    marked = tf.gather(marked_splits, bare)
    code_M = set_at(code_M, marked, BLANK)
    return code_M, marked_splits


@functools.cache
def class_table() -> CharacterTable:
    """Tabulate the class of every code point, OTHER to SPACE, read off Hugging Face's own code."""
    code_points = probed_code_points()
    text = text_of(code_points)
    patterns = [f"{pattern}+" for pattern in PATTERNS.values()]
    any_run = Regex("|".join(patterns))
    splitter = Split(any_run, "isolated")
    runs = splitter.pre_tokenize_str(text)
    first_of_run = [run[0] for run, _ in runs]
    firsts = "".join(first_of_run)
    class_of_run = np.full(len(runs), OTHER, np.int32)
    for kind, pattern in PATTERNS.items():
        fits = matches(pattern, firsts)
        class_of_run[fits] = kind
    lengths = [end - start for _, (start, end) in runs]
    classes = np.repeat(class_of_run, lengths)
    entries = fill_planes(classes, code_points)
    no_expansions = np.zeros(0, np.int32)
    return compress(entries, no_expansions)


def matches(pattern: str, text: str) -> np.ndarray:
    """Tell which characters of a text a pattern of one character fits: bool [N].

    >>> matches(r"\\p{L}", "a1b").tolist()
    [True, False, True]
    """
    length = len(text)
    fits = np.ones(length, bool)
    splitter = Split(Regex(pattern), "removed")
    for _, (start, end) in splitter.pre_tokenize_str(text):
        fits[start:end] = False
    return fits
