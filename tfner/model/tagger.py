"""From tokens to tagged units and entities, in graph: windows → encoder → merge → decode.

Evaluation, prediction and the SavedModel all run this one path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from tfner.data.tokenizer import Tokens, WordPieceTokenizer
from tfner.data.windows import cut_windows, frame, owned_pieces, pad_rows, window_values
from tfner.model.decoder import Decoder, Spans
from tfner.tags import LabelSet

ROUNDING = 8  # windows are padded to a multiple of this: few shapes, so that kernels prepared for a shape are used again
SLICE_AT_LEAST = 512  # pieces below which the fixed cost of a forward pass is more than that of padding


class TaggedUnits(NamedTuple):
    """Units that have a piece, with their decoded tags; V of them in a text, padded with -1 and 0."""

    unit: tf.Tensor  # int32 [B, V], index of the unit in its text
    tag: tf.Tensor  # int32 [B, V]
    probability: tf.Tensor  # float32 [B, V], of the tag
    spans: Spans  # entities in positions of V


class Tagger(tf.Module):
    """Runs a token classifier over texts of any length. `slice_pieces` bounds what the encoder works on at once."""

    def __init__(
        self,
        classify: Callable[[dict[str, tf.Tensor]], tf.Tensor],
        weights: Sequence[tf.Variable],
        tokenizer: WordPieceTokenizer,
        labels: LabelSet,
        *,
        max_length: int,
        overlap: int,
        decoder: str = "viterbi",
        slice_pieces: int = 8192,
    ):
        super().__init__(name="tagger")
        self.weights = list(weights)  # tracked, so that an export holds them without the Keras objects around them
        self.classify = classify  # {"input_ids", "attention_mask"} int32 [N, T] -> logits [N, T, K]
        self.tokenizer = tokenizer
        self.labels = labels
        self.max_length = max_length
        self.overlap = overlap
        self.slice_pieces = slice_pieces
        self.decoder = Decoder(
            labels.tags, labels.allowed_first, labels.allowed_next, labels.allowed_last, method=decoder, types=labels.types
        )

    def tag(self, tokens: Tokens) -> TaggedUnits:
        """Tag the units of B texts; a unit without a piece is absent from the result."""
        unit = tf.ragged.boolean_mask(tokens.unit, tokens.first_of_unit)
        log_probabilities = unit.with_values(self.unit_log_probabilities(tokens)).to_tensor()  # [B, V, K]
        log_probabilities = tf.ensure_shape(log_probabilities, [None, None, len(self.labels.tags)])
        lengths = tf.cast(unit.row_lengths(), tf.int32)
        tags, spans = self.decoder(log_probabilities, lengths)
        chosen = tf.gather(log_probabilities, tf.maximum(tags, 0), axis=2, batch_dims=2)
        return TaggedUnits(unit.to_tensor(-1), tags, tf.where(tags < 0, 0.0, tf.exp(chosen)), spans)

    def unit_log_probabilities(self, tokens: Tokens) -> tf.Tensor:
        """One distribution for every first piece, in order of texts and pieces; float32 [M, K]."""
        counts = tf.cast(tokens.ids.row_lengths(), tf.int32)
        windows = cut_windows(counts, self.max_length - 2, self.overlap)
        windows = windows.take(tf.argsort(windows.end - windows.start, direction="DESCENDING", stable=True))
        ids = frame(window_values(tokens.ids, windows), self.tokenizer.cls_id, self.tokenizer.sep_id)
        first = window_values(tokens.first_of_unit, windows)
        wanted = frame(first.with_values(first.values & owned_pieces(windows).values), False, False)
        rank = tokens.first_of_unit.with_values(tf.cumsum(tf.cast(tokens.first_of_unit.values, tf.int32), exclusive=True))
        rank = frame(window_values(rank, windows), 0, 0)
        target = tf.boolean_mask(rank.values, wanted.values)
        return tf.scatter_nd(target[:, None], self._encode_in_slices(ids, wanted), [tf.size(target), len(self.labels.tags)])

    def _encode_in_slices(self, ids: tf.RaggedTensor, wanted: tf.RaggedTensor) -> tf.Tensor:
        """Log probabilities at the wanted positions of windows sorted by falling length; float32 [M, K]."""
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        results = tf.TensorArray(tf.float32, 0, dynamic_size=True, infer_shape=False, element_shape=[None, len(self.labels.tags)])

        def work_on_slice(start: tf.Tensor, number: tf.Tensor, results: tf.TensorArray) -> tuple:
            width, end = self._next_slice(lengths, start)
            log_probabilities = self.encode(pad_rows(ids[start:end], width, self.tokenizer.pad_id), lengths[start:end])
            chosen = tf.boolean_mask(log_probabilities, pad_rows(wanted[start:end], width, False))
            return end, number + 1, results.write(number, chosen)

        # One slice after the other: several at once would need the memory of several.
        *_, results = tf.while_loop(lambda start, *_: start < tf.size(lengths), work_on_slice, (0, 0, results), parallel_iterations=1)
        return results.concat()

    def _next_slice(self, lengths: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Width and end of the slice that begins at a window; windows much shorter than its first are left to the next one."""
        width = tf.minimum((lengths[start] + ROUNDING - 1) // ROUNDING * ROUNDING, self.max_length)
        similar = tf.searchsorted(-lengths, [-(width * 3 // 4)], side="right")[0]
        enough = start + tf.maximum(SLICE_AT_LEAST // width, 1)
        most = start + tf.maximum(self.slice_pieces // width, 1)
        return width, tf.minimum(tf.minimum(tf.maximum(similar, enough), most), tf.size(lengths))

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)], autograph=False)
    def encode(self, ids_NT: tf.Tensor, lengths_N: tf.Tensor) -> tf.Tensor:
        """Log probabilities of padded windows, float32 [N, T, K]; the mask comes from the lengths, so padding may hold anything.

        A function of its own, so that the encoder is traced once and stands once in an export, whichever signature calls it.
        """
        mask = tf.sequence_mask(lengths_N, tf.shape(ids_NT)[1], tf.int32)
        logits = self.classify({"input_ids": tf.where(mask > 0, ids_NT, self.tokenizer.pad_id), "attention_mask": mask})
        return tf.nn.log_softmax(tf.cast(logits, tf.float32))
