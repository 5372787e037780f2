"""Turn tokens into tagged units and entities, in graph: windows -> encoder -> merge -> decode.

Evaluation, prediction and the SavedModel all run this one path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import tensorflow as tf

from tfner.data.windows import cut_windows, frame, owned_pieces, window_values
from tfner.model.heads.decoder import Spans
from tfner.model.heads.head import PLAIN_DECODING, DecoderOptions, Head
from tfner.model.inference.encoder_batches import BatchPlan, Encode, encode_rows, encode_windows
from tfner.model.inference.fixed_shapes import Shape, compile_for_shapes
from tfner.model.inference.row_sizes import count_pieces, width_of
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.protocol import Tokenizer, Tokens
from tfner.tokenizers.sentences import Sentences, cut_sentences

# Rows that are compiled for beside a full batch: a single short text should not cost a full one.
COMPILED_ROWS = (1, 8)
ROWS = (
    tf.TensorSpec([None, None], tf.int32),
    tf.TensorSpec([None], tf.int32),  # lengths
    tf.TensorSpec([None, None], tf.bool),  # wanted
)


class Classifier(Protocol):
    """Describe a TokenClassifier, or the copy of one that an export holds."""

    head: Head

    @property
    def prediction_weights(self) -> Sequence[tf.Variable]:
        """List all variables that a call reads."""
        ...

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Compute logits, of no meaning where they are not wanted.

        {"input_ids", "attention_mask"} int32, "wanted" bool or not there, all [N, T] -> float32
        [N, T, K].
        """
        ...


class FramedWindows(NamedTuple):
    """Hold N windows between [CLS] and [SEP], by falling length, as the encoder is given them."""

    ids: tf.RaggedTensor  # int32 [N, (T)]
    wanted: tf.RaggedTensor  # bool [N, (T)]: a first piece that the window owns
    target: tf.Tensor  # int32 [M]: which of all first pieces each wanted one is


class TaggedUnits(NamedTuple):
    """Hold the units that have a piece with their decoded tags; V in a text, texts in one line."""

    unit: tf.RaggedTensor  # int32 [B, (V)], index of the unit in its text
    tag: tf.RaggedTensor  # int32 [B, (V)]
    probability: tf.RaggedTensor  # float32 [B, (V)], of the tag
    spans: Spans  # entities in positions of V
    # float32 [B, (V)], of the unit's entity, 0 outside; None where scores are not calibrated
    entity_score: tf.RaggedTensor | None = None


class Tagger(tf.Module):
    """Run a token classifier over texts of any length.

    Args:
        classifier: gives logits; its weights are tracked, so that an export holds them without the
            objects around them.
        tokenizer: as the classifier was trained with.
        labels: the tags.
        max_length, overlap: of windows, in pieces.
        decoding: options of the head's decoder.
        widths, max_pieces_per_pass: see BatchPlan.
        compiled: whether XLA compiles the encoder, one program a shape; needs `widths`.
        by_sentence: whether raw text is read and decoded sentence by sentence, not as it is.
    """

    def __init__(
        self,
        classifier: Classifier,
        tokenizer: Tokenizer,
        labels: LabelSet,
        *,
        max_length: int,
        overlap: int,
        decoding: DecoderOptions = PLAIN_DECODING,
        widths: Sequence[int] | None = None,
        max_pieces_per_pass: int = 4096,
        compiled: bool = False,
        by_sentence: bool = False,
    ):
        super().__init__(name="tagger")
        self.weights = list(classifier.prediction_weights)
        self._classify = classifier.__call__
        self._log_probabilities = classifier.head.log_probabilities
        self._build_decoder = classifier.head.decoder
        self.decoder = self._build_decoder(decoding)
        self.tokenizer = tokenizer
        self.labels = labels
        self.max_length = max_length
        self.overlap = overlap
        self.compiled = compiled
        self.by_sentence = by_sentence
        self.plan = BatchPlan(max_length, widths, max_pieces_per_pass)
        self._encode: Encode = self.encode
        if compiled:
            self._encode = compile_for_shapes(self.encode, self.compiled_shapes())

    def compiled_shapes(self) -> list[Shape]:
        """List (rows, width) of every program, from small to large."""
        shapes: set[Shape] = set()
        for width in self.plan.widths:
            for rows in (*COMPILED_ROWS, self.plan.max_rows(width)):
                shapes.add((rows, width))
        return sorted(shapes, key=_by_size)

    def decode_with(self, decoding: DecoderOptions) -> None:
        """Decode with other options from now on; functions that were traced before keep theirs."""
        self.decoder = self._build_decoder(decoding)

    def tag_text(self, text_B: tf.Tensor) -> tuple[Tokens, TaggedUnits]:
        """Tokenize and tag B raw texts, tf.string [B], any bytes."""
        tokens = self.tokenizer.tokenize_text(text_B)
        sentences = cut_sentences(text_B, tokens) if self.by_sentence else None
        return tokens, self.tag(tokens, sentences)

    def tag(self, tokens: Tokens, sentences: Sentences | None = None) -> TaggedUnits:
        """Tag the units of B texts; a unit without a piece is absent from the result.

        Args:
            sentences: what is read and decoded by itself, if not each text.
        """
        unit, log_probs_MK = self.read(tokens, sentences)
        return self.decode(unit, log_probs_MK, sentences)

    def read(
        self, tokens: Tokens, sentences: Sentences | None = None
    ) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Run the classifier over B texts, and leave what it says of their units undecoded.

        Returns:
            The units that have a piece, int32 [B, (V)], and log probabilities of their tags,
            float32 [M, K].
        """
        unit = tf.ragged.boolean_mask(tokens.unit, tokens.first_of_unit)
        return unit, self.unit_log_probabilities(sentences or tokens)

    def decode(
        self, unit: tf.RaggedTensor, log_probs_MK: tf.Tensor, sentences: Sentences | None = None
    ) -> TaggedUnits:
        """Decode what `read` gives."""
        lengths_B = count_pieces(unit)  # the first piece of each
        decoded = self.decoder(log_probs_MK, lengths_B, sentences and sentences.units)
        tag = unit.with_values(decoded.tags)
        probability = unit.with_values(decoded.probabilities)
        scores_M = decoded.entity_scores
        entity_score = None if scores_M is None else unit.with_values(scores_M)
        return TaggedUnits(unit, tag, probability, decoded.spans, entity_score)

    def tag_probabilities(self, unit: tf.RaggedTensor, log_probs_MK: tf.Tensor) -> tf.Tensor:
        """Compute the probability of each tag for the units of `read`; float32 [M, K].

        They are marginals where the head knows which tags follow each other.
        """
        lengths_B = count_pieces(unit)
        log_marginals_MK = self.decoder.log_marginals(log_probs_MK, lengths_B)
        return tf.exp(log_marginals_MK)

    def unit_log_probabilities(self, tokens: Tokens | Sentences) -> tf.Tensor:
        """Compute a distribution for every first piece, in order of texts and pieces.

        Float32 [M, K].

        Windows overlap; the one that owns a unit says what it is:

            pieces of a text     p0 p1 p2 p3 p4 p5 p6 p7
            first of a unit       1  1  0  1  1  1  0  1
            window A owns        p0 p1 p2 p3  .           -> rows 0 1 2 of the result
            window B owns            .  .  p4 p5 p6 p7    -> rows 3 4 5
        """
        ids, wanted, target_M = self.framed_windows(tokens)
        tag_count = len(self.labels)
        pad_id = self.tokenizer.pad_id
        found_MK = encode_windows(self._encode, self.plan, ids, wanted, pad_id, tag_count)
        units = tf.size(target_M)
        shape = [units, tag_count]
        return tf.scatter_nd(target_M[:, None], found_MK, shape)

    def framed_windows(self, tokens: Tokens | Sentences) -> FramedWindows:
        """Cut texts, or sentences, into windows, and find the first pieces that each owns."""
        first_of_unit = tokens.first_of_unit
        counts = count_pieces(tokens.ids)
        windows = cut_windows(counts, self.max_length - 2, self.overlap)
        lengths = windows.end - windows.start
        order = tf.argsort(lengths, direction="DESCENDING", stable=True)
        windows = windows.take(order)
        pieces = window_values(tokens.ids, windows)
        ids = frame(pieces, self.tokenizer.cls_id, self.tokenizer.sep_id)
        first = window_values(first_of_unit, windows)
        owned = first.values & owned_pieces(windows).values
        wanted = first.with_values(owned)
        wanted = frame(wanted, False, False)
        is_first = tf.cast(first_of_unit.values, tf.int32)
        number = tf.cumsum(is_first, exclusive=True)
        number = first_of_unit.with_values(number)
        number = window_values(number, windows)
        number = frame(number, 0, 0)
        target = tf.boolean_mask(number.values, wanted.values)
        return FramedWindows(ids, wanted, target)

    def piece_log_probabilities(self, ids_NT: tf.Tensor, lengths_N: tf.Tensor) -> tf.Tensor:
        """Compute the distributions of pieces in padded rows, [CLS] and [SEP] included.

        int32 [N, T], [N] -> float32 [N, T, K], of no meaning on padding.
        """
        width = width_of(ids_NT)
        message = f"input_ids: expected at most {self.max_length} pieces a row"
        fits = tf.debugging.assert_less_equal(width, self.max_length, message)
        tag_count = len(self.labels)
        with tf.control_dependencies([fits]):
            return encode_rows(self._encode, self.plan, ids_NT, lengths_N, tag_count)

    @tf.function(input_signature=ROWS, autograph=False)
    def encode(self, ids_NT: tf.Tensor, lengths_N: tf.Tensor, wanted_NT: tf.Tensor) -> tf.Tensor:
        """Compute log probabilities of the wanted pieces of padded windows, float32 [N, T, K].

        The mask comes from the lengths, so padding may hold anything. This is a function of its
        own, so that the encoder is traced once and stands once in an export, whichever signature
        calls it.
        """
        width = width_of(ids_NT)
        mask_NT = tf.sequence_mask(lengths_N, width, tf.int32)
        ids_NT = tf.where(mask_NT > 0, ids_NT, self.tokenizer.pad_id)
        batch = {"input_ids": ids_NT, "attention_mask": mask_NT}
        if not self.compiled:
            batch["wanted"] = wanted_NT
        logits_NTK = self._classify(batch)
        return self._log_probabilities(logits_NTK)


def _by_size(shape: Shape) -> tuple[int, int]:
    """Order shapes by their pieces, and the narrow ones first where these are as many."""
    rows, width = shape
    return rows * width, width
