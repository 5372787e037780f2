"""Sort combining marks canonically, which BERT's accent stripping brings about as a by-product.

Stripping accents decomposes the text (NFD), and that sorts the marks that follow a letter by their
combining class. Stripped marks leave no trace of it, but Hugging Face knows no mark younger than
Unicode 8 and strips no spacing mark: those are kept and may have moved.

One difference to Hugging Face remains, in end offsets alone: a precomposed musical note (U+1D15E to
U+1D164, U+1D1BB to U+1D1C0) before a stripped mark of a lower class than its stem ends at the note
here, after the mark there. A test holds that there is no other.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
import tensorflow as tf
from tokenizers.normalizers import NFD

from tfner.tokenizers.ragged_ops import add_row_begins

# The only mark of combining class 240: every other one that NFD knows moves before it.
HIGHEST = "\u0345"
CLASSES = 256


@functools.cache
def combining_classes() -> tuple[np.ndarray, np.ndarray]:
    """List the code points that canonical ordering moves, and their combining classes.

    Python's Unicode tables are younger than those of Hugging Face's NFD, which is asked whether it
    knows the code point. One that decomposes counts with the first mark of its decomposition.

    Returns:
        Code points, ascending, and classes; both int32 [C].
    """
    candidates = []
    classes = []
    for code in range(0x20000):
        first = unicodedata.normalize("NFD", chr(code))[0]
        combining = unicodedata.combining(first)
        if combining:
            candidates.append(code)
            classes.append(combining)
    probe = "".join(f"0{HIGHEST}{chr(code)}" for code in candidates)
    ordered = NFD().normalize_str(probe).split("0")[1:]
    first_N = np.array([ord(result[0]) for result in ordered])
    candidate_N = np.array(candidates, np.int32)
    highest = ord(HIGHEST)
    is_moved_N = first_N != highest
    is_highest_N = candidate_N == highest
    known_N = is_moved_N | is_highest_N
    return candidate_N[known_N], np.array(classes, np.int32)[known_N]


def canonical_order(
    code_N: tf.Tensor,
    visible_N: tf.Tensor,
    splits_B: tf.Tensor,
    marks_C: tf.Tensor,
    classes_C: tf.Tensor,
) -> tf.Tensor:
    """Sort the marks after each letter by combining class, as NFD does: int32 [N] -> [N].

    Hugging Face counts offsets in the same way: the n-th result is where the n-th character is.

    A mark above (U+0301, class 230) moves behind a mark below (U+0323, class 220):

        >>> text = [ord("a"), 0x301, 0x323, ord("b")]
        >>> marks, classes = combining_classes()
        >>> ordered = canonical_order(
        ...     tf.constant(text), tf.constant([True] * 4), tf.constant([0, 4]),
        ...     tf.constant(marks), tf.constant(classes),
        ... )
        >>> [hex(code) for code in ordered.numpy()]
        ['0x61', '0x323', '0x301', '0x62']

    Args:
        code_N: the code points of B texts on end.
        visible_N: bool, False for characters that were deleted: marks move across them.
        splits_B: int32 [B + 1], where the texts begin.
        marks_C, classes_C: from `combining_classes`.
    """
    class_N = look_up_class(code_N, marks_C, classes_C)
    starter_N = tf.cast(visible_N & tf.equal(class_N, 0), tf.int64)
    # a text's begin starts anew too, whatever stands there
    padded = add_row_begins(starter_N, splits_B)
    starter_N = padded[:-1]
    # one number sorts by the starter before, then by class; the sort is stable
    key_N = tf.cumsum(starter_N) * CLASSES + tf.cast(class_N, tf.int64)
    index_V = tf.where(visible_N)
    order_V = tf.argsort(tf.gather_nd(key_N, index_V), stable=True)
    code_V = tf.gather_nd(code_N, index_V)
    return tf.tensor_scatter_nd_update(code_N, index_V, tf.gather(code_V, order_V))


def look_up_class(code_N: tf.Tensor, marks_C: tf.Tensor, classes_C: tf.Tensor) -> tf.Tensor:
    """Find the combining class of each code point; 0 for what is no mark. int32 [N] -> [N]."""
    nearest_N = tf.minimum(tf.searchsorted(marks_C, code_N), tf.size(marks_C) - 1)
    is_mark_N = tf.equal(tf.gather(marks_C, nearest_N), code_N)
    return tf.where(is_mark_N, tf.gather(classes_C, nearest_N), 0)
