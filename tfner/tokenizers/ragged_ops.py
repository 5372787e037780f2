"""Number, repeat and find values in rows that are stored on end, in graph."""

from __future__ import annotations

import tensorflow as tf

INDEX_BITS = 32
INDEX_MASK = (1 << INDEX_BITS) - 1


def concat(*values: tf.Tensor | list) -> tf.Tensor:
    """Put flat tensors, or lists of numbers, on end."""
    return tf.concat(values, 0)


def before(values_V: tf.Tensor) -> tf.Tensor:
    """Shift by one: what stands before each; the first stays.

    >>> before(tf.constant([4, 5, 6])).numpy().tolist()
    [4, 4, 5]
    """
    return concat(values_V[:1], values_V[:-1])


def row_lengths(splits: tf.Tensor) -> tf.Tensor:
    """Count the values of each row; [R + 1] -> [R]."""
    begins_R = splits[:-1]
    return splits[1:] - begins_R


def index_in_row(splits: tf.Tensor) -> tf.Tensor:
    """Number the values of each row from 0; int32 [R + 1] -> [V].

    >>> index_in_row(tf.constant([0, 2, 2, 5])).numpy().tolist()
    [0, 1, 0, 1, 2]
    """
    length_R = row_lengths(splits)
    return ranges(0, length_R)[1]


def row_labels(label_R: tf.Tensor, splits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Repeat the label of each row for its values, and number those; int32 [V] each.

    >>> label, index = row_labels(tf.constant([7, 8, 9]), tf.constant([0, 2, 2, 5]))
    >>> label.numpy().tolist(), index.numpy().tolist()
    ([7, 7, 9, 9, 9], [0, 1, 0, 1, 2])
    """
    # one range of 64-bit numbers gives both: the label in the upper half, the index in the lower
    begin_R = tf.bitwise.left_shift(tf.cast(label_R, tf.int64), INDEX_BITS)
    limit_R = begin_R + tf.cast(row_lengths(splits), tf.int64)
    number_V = ranges(begin_R, limit_R)[1]
    label_V = tf.bitwise.right_shift(number_V, INDEX_BITS)
    index_V = number_V & INDEX_MASK
    return tf.cast(label_V, tf.int32), tf.cast(index_V, tf.int32)


def add_row_begins(count_V: tf.Tensor, splits: tf.Tensor) -> tf.Tensor:
    """Count one more where a row begins, and at the end of all: [V], [R + 1] -> [V + 1].

    >>> add_row_begins(tf.constant([0, 5, 0]), tf.constant([0, 1, 3])).numpy().tolist()
    [1, 6, 0, 1]
    """
    padded = concat(count_V, [0])
    one_each = tf.ones_like(splits, count_V.dtype)
    return tf.tensor_scatter_nd_add(padded, splits[:, None], one_each)


def joined_starts(length_W: tf.Tensor, splits_B: tf.Tensor, row_W: tf.Tensor) -> tf.Tensor:
    """Find where each word begins if the words of a row are joined by one space; int32 [W].

    >>> row, splits = tf.constant([0, 0, 1]), tf.constant([0, 2, 3])
    >>> starts = joined_starts(tf.constant([3, 2, 4]), splits, row)
    >>> starts.numpy().tolist()
    [0, 4, 0]
    """
    spaced_W = length_W + 1
    end_W = tf.cumsum(spaced_W)
    start_W = concat([0], end_W)
    start_B = tf.gather(start_W, splits_B)
    return start_W[:-1] - tf.gather(start_B, row_W)


def ranges(start_P: tf.Tensor | int, limit_P: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Count from each start to before its limit, on end.

        >>> splits, values = ranges(tf.constant([3, 7]), tf.constant([5, 10]))
        >>> splits.numpy().tolist(), values.numpy().tolist()
        ([0, 2, 5], [3, 4, 7, 8, 9])

    Returns:
        int32 [P + 1], where each range begins, and the numbers, of the type of `limit_P`.
    """
    step = tf.constant(1, limit_P.dtype)
    found = tf.raw_ops.RaggedRange(starts=start_P, limits=limit_P, deltas=step, Tsplits=tf.int32)
    splits, values = found
    return splits, values


def indices_of(flags: tf.Tensor) -> tf.Tensor:
    """List the indices at which flags are set; bool [N] -> int32 [M].

    >>> indices_of(tf.constant([False, True, True])).numpy().tolist()
    [1, 2]
    """
    found = tf.reshape(tf.where(flags), [-1])
    return tf.cast(found, tf.int32)
