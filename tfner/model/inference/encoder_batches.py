"""Run the encoder over any number of windows, in batches of bounded size and few shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfner.data.windows import pad_rows
from tfner.model.inference.parallel import PARALLEL_PASSES
from tfner.model.inference.row_sizes import count_pieces, width_of

# ids int32 [N, T], lengths int32 [N], wanted bool [N, T] -> [N, T, K]
Encode = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
# The start of a batch -> its end, and what it gives.
Run = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

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
        rows = self.max_pieces // width
        return max(rows, 1)

    def count(self, lengths_N: tf.Tensor) -> tf.Tensor:
        """Count the batches of all windows, which stand by falling length; int32 scalar."""
        windows = tf.size(lengths_N)

        def is_left(start, number):
            return start < windows

        def step(start, number):
            _, end = self.next_batch(lengths_N, start)
            return end, number + 1

        return tf.while_loop(is_left, step, (0, 0))[1]

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
        width_before = tf.gather([0, *self.widths], index)
        narrower = tf.minimum(width_before, width * 3 // 4)
        similar = tf.searchsorted(-lengths_N, [-narrower])[0]
        least_rows = rows_in(MIN_PIECES, width)
        most_rows = rows_in(self.max_pieces, width)
        least = start + least_rows
        most = start + most_rows
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
    lengths_N = count_pieces(ids)

    def encode_batch(start):
        width, end = plan.next_batch(lengths_N, start)
        batch = slice(start, end)
        batch_wanted = wanted[batch]
        batch_lengths = lengths_N[batch]
        ids_NT = pad_rows(ids[batch], width, pad_id)
        wanted_NT = pad_rows(batch_wanted, width, False)
        found_NTK = encode(ids_NT, batch_lengths, wanted_NT)
        return end, found_NTK[wanted_NT]

    batches = plan.count(lengths_N)
    return run_batches(encode_batch, tf.size(lengths_N), batches, tag_count)


def encode_rows(
    encode: Encode, plan: BatchPlan, ids_NT: tf.Tensor, lengths_N: tf.Tensor, tag_count: int
) -> tf.Tensor:
    """Encode rows that are padded already; -> float32 [N, T, K]."""
    rows = tf.size(lengths_N)
    width = width_of(ids_NT)
    positive_width = tf.maximum(width, 1)
    each = rows_in(plan.max_pieces, positive_width)

    def encode_batch(start):
        end = tf.minimum(start + each, rows)
        batch = slice(start, end)
        batch_ids = ids_NT[batch]
        batch_lengths = lengths_N[batch]
        all_NT = tf.sequence_mask(batch_lengths, width)
        found_NTK = encode(batch_ids, batch_lengths, all_NT)
        return end, tf.reshape(found_NTK, [-1, tag_count])

    batches = -(-rows // each)
    flat_PK = run_batches(encode_batch, rows, batches, tag_count)
    shape = [rows, width, tag_count]
    return tf.reshape(flat_PK, shape)


def rows_in(pieces: int, width: tf.Tensor) -> tf.Tensor:
    """Count the rows of a width that so many pieces fill, one at least; int32 scalar."""
    rows = pieces // width
    return tf.maximum(rows, 1)


def run_batches(run: Run, size: tf.Tensor, batches: tf.Tensor, tag_count: int) -> tf.Tensor:
    """Concatenate what `run(start)` gives beside the next start, from 0 to `size`: float32 [M, K].

    The number of batches is known before: servers with TensorFlow 2.12 have no lists that grow.
    """
    shape = [None, tag_count]
    results = tf.TensorArray(tf.float32, batches, infer_shape=False, element_shape=shape)

    def is_left(start, *_):
        return start < size

    def step(start, number, results):
        end, found = run(start)
        return end, number + 1, results.write(number, found)

    start = (0, 0, results)
    ended = tf.while_loop(is_left, step, start, parallel_iterations=PARALLEL_PASSES)
    return ended[-1].concat()
