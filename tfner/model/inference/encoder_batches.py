"""Run the encoder over any number of windows, in batches of bounded size and few shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfner.data.windows import pad_rows

Encode = Callable[
    [tf.Tensor, tf.Tensor], tf.Tensor
]  # ids int32 [N, T], lengths int32 [N] -> [N, T, K]

# Passes of the encoder that are under way at once: one fills the processors that an operation of
# the other leaves idle. Memory is that of two.
PARALLEL_PASSES = 2
MIN_PIECES = 512  # below these the fixed cost of a pass is more than that of padding
WIDTH_STEP = 8  # between the widths where none are given: little padding


class BatchPlan:
    """Plan how windows are put together for the encoder.

    A batch's width is one of `widths`, and it holds at most `max_pieces` pieces.

    Args:
        max_length: of a window; widths beyond it are left out, and it is one itself.
        widths: by default multiples of 8.
        max_pieces: of a batch, padding included; one window at least, however long, is in each.
    """

    def __init__(self, max_length: int, widths: Sequence[int] | None, max_pieces: int):
        steps = range(WIDTH_STEP, max_length, WIDTH_STEP) if widths is None else widths
        self.widths = [*(width for width in steps if width < max_length), max_length]
        self.max_pieces = max_pieces

    def max_rows(self, width: int) -> int:
        """Count the rows of a full batch of a width."""
        return max(self.max_pieces // width, 1)

    def count(self, lengths_N: tf.Tensor) -> tf.Tensor:
        """Count the batches of all windows, which stand by falling length; int32 scalar."""

        def step(start: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            _, end = self.next_batch(lengths_N, start)
            return end, number + 1

        _, number = tf.while_loop(lambda start, _: start < tf.size(lengths_N), step, (0, 0))
        return number

    def next_batch(self, lengths_N: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Find width and end of the batch that begins at a window.

        Windows stand by falling length.

        Windows much shorter than the first are left to the next batch, unless this one would be
        small:

            >>> plan = BatchPlan(512, [128, 256], 4096)
            >>> lengths = tf.constant([250, 250, 200, 100, 90, 20])
            >>> [int(found) for found in plan.next_batch(lengths, 0)]
            [256, 3]
            >>> [int(found) for found in plan.next_batch(lengths, 3)]
            [128, 6]
        """
        index = tf.searchsorted(self.widths, [lengths_N[start]])[0]
        width = tf.gather(self.widths, index)
        narrower = tf.minimum(tf.gather([0, *self.widths], index), width * 3 // 4)
        similar = tf.searchsorted(-lengths_N, [-narrower])[0]
        least = start + tf.maximum(MIN_PIECES // width, 1)
        most = start + tf.maximum(self.max_pieces // width, 1)
        end = tf.minimum(tf.maximum(similar, least), most)
        return width, tf.minimum(end, tf.size(lengths_N))


def encode_windows(
    encode: Encode,
    plan: BatchPlan,
    ids: tf.RaggedTensor,
    wanted: tf.RaggedTensor,
    pad_id: int,
    tag_count: int,
) -> tf.Tensor:
    """Encode windows [N, (T)], by falling length, and keep wanted positions; -> float32 [M, K]."""
    lengths_N = tf.cast(ids.row_lengths(), tf.int32)

    def encode_batch(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        width, end = plan.next_batch(lengths_N, start)
        ids_NT = pad_rows(ids[start:end], width, pad_id)
        found_NTK = encode(ids_NT, lengths_N[start:end])
        return end, tf.boolean_mask(found_NTK, pad_rows(wanted[start:end], width, False))

    return run_batches(encode_batch, tf.size(lengths_N), plan.count(lengths_N), tag_count)


def encode_rows(
    encode: Encode, plan: BatchPlan, ids_NT: tf.Tensor, lengths_N: tf.Tensor, tag_count: int
) -> tf.Tensor:
    """Encode rows that are padded already; -> float32 [N, T, K]."""
    rows, width = tf.size(lengths_N), tf.shape(ids_NT)[1]
    each = tf.maximum(plan.max_pieces // tf.maximum(width, 1), 1)

    def encode_batch(start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        end = tf.minimum(start + each, rows)
        found_NTK = encode(ids_NT[start:end], lengths_N[start:end])
        return end, tf.reshape(found_NTK, [-1, tag_count])

    flat_PK = run_batches(encode_batch, rows, -(-rows // each), tag_count)
    return tf.reshape(flat_PK, [rows, width, tag_count])


def run_batches(
    run: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    size: tf.Tensor,
    batches: tf.Tensor,
    tag_count: int,
) -> tf.Tensor:
    """Concatenate what `run(start)` gives beside the next start, from 0 to `size`: float32 [M, K].

    The number of batches is known before: servers with TensorFlow 2.12 have no lists that grow.
    """
    results = tf.TensorArray(
        tf.float32, batches, infer_shape=False, element_shape=[None, tag_count]
    )

    def step(start: tf.Tensor, number: tf.Tensor, results: tf.TensorArray) -> tuple:
        end, found = run(start)
        return end, number + 1, results.write(number, found)

    *_, results = tf.while_loop(
        lambda start, *_: start < size, step, (0, 0, results), parallel_iterations=PARALLEL_PASSES
    )
    return results.concat()
