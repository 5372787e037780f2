"""The canonical order of combining marks, which BERT's accent stripping brings about as a by-product.

Stripping accents decomposes the text (NFD), and that sorts the marks that follow a letter by their combining class. Stripped marks leave
no trace of it, but Hugging Face knows no mark younger than Unicode 8 and strips no spacing mark: those are kept and may have moved.

One difference to Hugging Face remains, in end offsets alone: a precomposed musical note (U+1D15E to U+1D164, U+1D1BB to U+1D1C0) before a
stripped mark of a lower class than its stem ends at the note here, after the mark there. A test holds that there is no other.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np
import tensorflow as tf
from tokenizers.normalizers import NFD

HIGHEST = (
    "\u0345"  # the only mark of combining class 240: every other one that NFD knows moves before it
)
CLASSES = 256


@functools.cache
def combining_classes() -> tuple[np.ndarray, np.ndarray]:
    """Code points that canonical ordering moves, ascending, and their combining classes, both int32 (C,).

    Python's Unicode tables are younger than those of Hugging Face's NFD, which is asked whether it knows the code point. One that
    decomposes counts with the first mark of its decomposition.
    """
    classes = {
        code: unicodedata.combining(unicodedata.normalize("NFD", chr(code))[0])
        for code in range(0x20000)
    }
    candidates = [code for code, combining in classes.items() if combining]
    ordered = (
        NFD().normalize_str("".join(f"0{HIGHEST}{chr(code)}" for code in candidates)).split("0")[1:]
    )
    known = [
        code
        for code, result in zip(candidates, ordered, strict=True)
        if result[0] != HIGHEST or chr(code) == HIGHEST
    ]
    return np.array(known, np.int32), np.array([classes[code] for code in known], np.int32)


def canonical_order(
    code_N: tf.Tensor,
    visible_N: tf.Tensor,
    splits_B: tf.Tensor,
    marks_C: tf.Tensor,
    classes_C: tf.Tensor,
) -> tf.Tensor:
    """Sort the marks after each letter by combining class, as NFD does; places stay, code points move.

    Hugging Face counts offsets in the same way: the n-th result has the place of the n-th character.

    Args:
        code_N: int32, the code points of B texts on end.
        visible_N: bool, False for characters that were deleted before: marks change places across them.
        splits_B: int32 (B + 1,), where the texts begin.
        marks_C, classes_C: from `combining_classes`.

    Returns:
        int32 (N,).
    """
    nearest_N = tf.minimum(tf.searchsorted(marks_C, code_N), tf.size(marks_C) - 1)
    class_N = tf.where(
        tf.equal(tf.gather(marks_C, nearest_N), code_N), tf.gather(classes_C, nearest_N), 0
    )
    starter_N = tf.cast(visible_N & tf.equal(class_N, 0), tf.int64)
    starter_N = tf.tensor_scatter_nd_add(
        tf.concat([starter_N, [0]], 0), splits_B[:, None], tf.ones_like(splits_B, tf.int64)
    )[:-1]
    places_V = tf.where(visible_N)
    key_V = tf.gather_nd(tf.cumsum(starter_N) * CLASSES + tf.cast(class_N, tf.int64), places_V)
    code_V = tf.gather(tf.gather_nd(code_N, places_V), tf.argsort(key_V, stable=True))
    return tf.tensor_scatter_nd_update(code_N, places_V, code_V)
