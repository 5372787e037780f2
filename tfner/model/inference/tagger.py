"""From tokens to tagged units and entities, in graph: windows → encoder → merge → decode.

Evaluation, prediction and the SavedModel all run this one path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import tensorflow as tf

from tfner.data.windows import cut_windows, frame, owned_pieces, window_values
from tfner.model.heads.decoder import Decoder, Spans
from tfner.model.inference.encoder_batches import Encode, SlicePlan, encode_rows, encode_windows
from tfner.model.inference.fixed_shapes import compile_for_shapes
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.protocol import Tokenizer, Tokens

ROWS = (
    1,
    8,
)  # rows that are compiled for beside a full slice: a single short text should not cost a full one


class TaggedUnits(NamedTuple):
    """Units that have a piece, with their decoded tags; V of them in a text, texts in one line."""

    unit: tf.RaggedTensor  # int32 [B, (V)], index of the unit in its text
    tag: tf.RaggedTensor  # int32 [B, (V)]
    probability: tf.RaggedTensor  # float32 [B, (V)], of the tag
    spans: Spans  # entities in positions of V


class Tagger(tf.Module):
    """Runs a token classifier over texts of any length.

    Args:
        classify: {"input_ids", "attention_mask"} int32 [N, T] -> logits [N, T, K].
        weights: all variables that `classify` reads: tracked, so that an export holds them without the objects around them.
        max_length, overlap: of windows, in pieces.
        decoder, threshold, max_entities: see Decoder.
        lengths, slice_pieces: see SlicePlan.
        compiled: whether XLA compiles the encoder, one program a shape; needs `lengths`.
    """

    def __init__(
        self,
        classify: Callable[[dict[str, tf.Tensor]], tf.Tensor],
        weights: Sequence[tf.Variable],
        tokenizer: Tokenizer,
        labels: LabelSet,
        *,
        max_length: int,
        overlap: int,
        decoder: str = "viterbi",
        threshold: float | Mapping[str, float] = 0.0,
        max_entities: int | None = None,
        lengths: Sequence[int] | None = None,
        slice_pieces: int = 4096,
        compiled: bool = False,
    ):
        super().__init__(name="tagger")
        self.weights = list(weights)
        self.classify = classify
        self.tokenizer = tokenizer
        self.labels = labels
        self.max_length = max_length
        self.overlap = overlap
        self.compiled = compiled
        self.plan = SlicePlan(max_length, lengths, slice_pieces)
        self._encode_slice: Encode = (
            compile_for_shapes(self.encode, self.compiled_shapes()) if compiled else self.encode
        )
        self.decoder = Decoder(
            labels.tags, labels.allowed_first, labels.allowed_next, labels.allowed_last,
            method=decoder, types=labels.types, threshold=threshold, max_entities=max_entities,
        )  # fmt: skip

    def compiled_shapes(self) -> list[tuple[int, int]]:
        """(rows, width) of every program, from small to large."""
        rows_of = {width: sorted({*ROWS, self.plan.most_rows(width)}) for width in self.plan.widths}
        return sorted(
            ((rows, width) for width, counts in rows_of.items() for rows in counts),
            key=lambda shape: shape[0] * shape[1],
        )

    def tag(self, tokens: Tokens) -> TaggedUnits:
        """Tag the units of B texts; a unit without a piece is absent from the result."""
        unit = tf.ragged.boolean_mask(tokens.unit, tokens.first_of_unit)
        log_probabilities = self.unit_log_probabilities(tokens)
        tags, spans = self.decoder(log_probabilities, tf.cast(unit.row_lengths(), tf.int32))
        probabilities = tf.exp(tf.gather(log_probabilities, tags, batch_dims=1))
        return TaggedUnits(unit, unit.with_values(tags), unit.with_values(probabilities), spans)

    def unit_log_probabilities(self, tokens: Tokens) -> tf.Tensor:
        """One distribution for every first piece, in order of texts and pieces; float32 [M, K]."""
        ids, wanted, target = self.framed_windows(tokens)
        tags = len(self.labels.tags)
        found = encode_windows(
            self._encode_slice, self.plan, ids, wanted, self.tokenizer.pad_id, tags
        )
        return tf.scatter_nd(target[:, None], found, [tf.size(target), tags])

    def framed_windows(self, tokens: Tokens) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.Tensor]:
        """Windows between [CLS] and [SEP], by falling length, as the encoder is given them.

        ids int32 [N, (T)]; where the first pieces that a window owns stand, bool [N, (T)]; which of all first pieces those are, int32 [M].
        """
        counts = tf.cast(tokens.ids.row_lengths(), tf.int32)
        windows = cut_windows(counts, self.max_length - 2, self.overlap)
        windows = windows.take(
            tf.argsort(windows.end - windows.start, direction="DESCENDING", stable=True)
        )
        ids = frame(
            window_values(tokens.ids, windows), self.tokenizer.cls_id, self.tokenizer.sep_id
        )
        first = window_values(tokens.first_of_unit, windows)
        wanted = frame(first.with_values(first.values & owned_pieces(windows).values), False, False)
        rank = tokens.first_of_unit.with_values(
            tf.cumsum(tf.cast(tokens.first_of_unit.values, tf.int32), exclusive=True)
        )
        rank = frame(window_values(rank, windows), 0, 0)
        return ids, wanted, tf.boolean_mask(rank.values, wanted.values)

    def piece_log_probabilities(self, ids_NT: tf.Tensor, lengths_N: tf.Tensor) -> tf.Tensor:
        """Those of pieces in padded rows, [CLS] and [SEP] included; int32 [N, T], [N] -> float32 [N, T, K], of no meaning on padding."""
        too_wide = f"input_ids: expected at most {self.max_length} pieces a row"
        fits = tf.debugging.assert_less_equal(tf.shape(ids_NT)[1], self.max_length, too_wide)
        with tf.control_dependencies([fits]):
            return encode_rows(
                self._encode_slice, self.plan, ids_NT, lengths_N, len(self.labels.tags)
            )

    @tf.function(
        input_signature=[tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)],
        autograph=False,
    )
    def encode(self, ids_NT: tf.Tensor, lengths_N: tf.Tensor) -> tf.Tensor:
        """Log probabilities of padded windows, float32 [N, T, K]; the mask comes from the lengths, so padding may hold anything.

        A function of its own, so that the encoder is traced once and stands once in an export, whichever signature calls it.
        """
        mask = tf.sequence_mask(lengths_N, tf.shape(ids_NT)[1], tf.int32)
        logits = self.classify(
            {"input_ids": tf.where(mask > 0, ids_NT, self.tokenizer.pad_id), "attention_mask": mask}
        )
        return tf.nn.log_softmax(tf.cast(logits, tf.float32))
