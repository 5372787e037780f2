"""The encoder over any number of windows: in slices of bounded size and few shapes, two at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfner.data.windows import pad_rows

Encode = Callable[
    [tf.Tensor, tf.Tensor], tf.Tensor
]  # ids int32 [N, T], lengths int32 [N] -> float32 [N, T, K]
SLICES_AT_ONCE = (
    2  # one fills the processors that an operation of the other leaves idle; memory is that of two
)
SLICE_AT_LEAST = (
    512  # pieces below which the fixed cost of a forward pass is more than that of padding
)
FINE = 8  # the step of the widths where none are given: little padding


class SlicePlan:
    """How windows are put together. A slice's width is one of `widths`, and it holds at most `slice_pieces` pieces.

    Args:
        max_length: of a window; widths beyond it are left out, and it is one itself.
        lengths: the widths; by default multiples of 8.
        slice_pieces: pieces of a slice, padding included; at least one window, however long, is in each.
    """

    def __init__(self, max_length: int, lengths: Sequence[int] | None, slice_pieces: int):
        steps = range(FINE, max_length, FINE) if lengths is None else lengths
        self.widths = [*(length for length in steps if length < max_length), max_length]
        self.slice_pieces = slice_pieces

    def most_rows(self, width: int) -> int:
        return max(self.slice_pieces // width, 1)

    def count(self, lengths_N: tf.Tensor) -> tf.Tensor:
        """The number of slices of all windows."""

        def step(start: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return self.next_slice(lengths_N, start)[1], number + 1

        return tf.while_loop(lambda start, _: start < tf.size(lengths_N), step, (0, 0))[1]

    def next_slice(self, lengths_N: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Width and end of the slice that begins at a window; windows stand by falling length.

        Windows much shorter than the first are left to the next slice, unless this one would be very small.
        """
        place = tf.searchsorted(self.widths, [lengths_N[start]])[0]
        width = tf.gather(self.widths, place)
        narrower = tf.minimum(tf.gather([0, *self.widths], place), width * 3 // 4)
        similar = tf.searchsorted(-lengths_N, [-narrower])[0]
        enough = start + tf.maximum(SLICE_AT_LEAST // width, 1)
        most = start + tf.maximum(self.slice_pieces // width, 1)
        return width, tf.minimum(tf.minimum(tf.maximum(similar, enough), most), tf.size(lengths_N))


def encode_windows(
    encode: Encode,
    plan: SlicePlan,
    ids: tf.RaggedTensor,
    wanted: tf.RaggedTensor,
    pad_id: int,
    tags: int,
) -> tf.Tensor:
    """Log probabilities at the wanted positions of windows [N, (T)] that stand by falling length; float32 [M, K]."""
    lengths_N = tf.cast(ids.row_lengths(), tf.int32)

    def work_on_slice(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        width, end = plan.next_slice(lengths_N, start)
        log_probabilities = encode(pad_rows(ids[start:end], width, pad_id), lengths_N[start:end])
        return end, tf.boolean_mask(log_probabilities, pad_rows(wanted[start:end], width, False))

    return in_slices(work_on_slice, tf.size(lengths_N), plan.count(lengths_N), tags)


def encode_rows(
    encode: Encode, plan: SlicePlan, ids_NT: tf.Tensor, lengths_N: tf.Tensor, tags: int
) -> tf.Tensor:
    """Log probabilities of rows that are padded already; float32 [N, T, K]."""
    width = tf.shape(ids_NT)[1]
    rows = tf.maximum(plan.slice_pieces // tf.maximum(width, 1), 1)

    def work_on_slice(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        end = tf.minimum(start + rows, tf.size(lengths_N))
        return end, tf.reshape(encode(ids_NT[start:end], lengths_N[start:end]), [-1, tags])

    flat = in_slices(work_on_slice, tf.size(lengths_N), -(-tf.size(lengths_N) // rows), tags)
    return tf.reshape(flat, [tf.size(lengths_N), width, tags])


def in_slices(
    work: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    count: tf.Tensor,
    slices: tf.Tensor,
    tags: int,
) -> tf.Tensor:
    """What `work(start)` gives beside the next start, from 0 to `count`, concatenated: float32 [M, K].

    The number of slices is known before: servers with TensorFlow 2.12 have no lists that grow.
    """
    results = tf.TensorArray(tf.float32, slices, infer_shape=False, element_shape=[None, tags])

    def step(start: tf.Tensor, number: tf.Tensor, results: tf.TensorArray) -> tuple:
        end, found = work(start)
        return end, number + 1, results.write(number, found)

    *_, results = tf.while_loop(
        lambda start, *_: start < count, step, (0, 0, results), parallel_iterations=SLICES_AT_ONCE
    )
    return results.concat()
