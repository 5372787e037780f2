"""What the SavedModel answers: three signatures whose outputs are dense, of rank 1 or more, int, float32 or string."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfner.model.inference.tagger import TaggedUnits, Tagger
from tfner.tagging.schemes import LabelSet

TEXT = tf.TensorSpec([None], tf.string, name="text")
WORDS = tf.TensorSpec([None, None], tf.string, name="words")
INPUT_IDS = tf.TensorSpec([None, None], tf.int32, name="input_ids")
LENGTH = tf.TensorSpec([None], tf.int32, name="length")


class Signatures(tf.Module):
    """The functions of an export, each a plain tf.function over a Tagger.

    Without autograph: its rewriting of everything that is called, transformers' layers too, took most of the time of tracing.
    """

    def __init__(self, tagger: Tagger):
        super().__init__(name="signatures")
        self.tagger = tagger
        labels = tagger.labels
        self.types = tf.constant(labels.types)
        self.tags = tf.constant(labels.tags)
        self.bridge = tf.constant(bridging_tags(labels))

    @tf.function(input_signature=[TEXT], autograph=False)
    def text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Entities of B texts of any length and any bytes; [B] -> members [B, E], `entity_count` [B].

        Offsets are half-open, in code points and in bytes of what was sent; absent entities are -1, "" and 0.
        """
        tokens = self.tagger.tokenizer.tokenize_text(text)
        tagged = self.tagger.tag(tokens)
        spans = tagged.spans
        first, last = (
            at_units(tagged.unit, positions)
            for positions in (spans.entity_first, spans.entity_last)
        )
        present = spans.entity_type >= 0
        return {
            "entity_start": at_units(tokens.unit_start, first),
            "entity_end": at_units(tokens.unit_end, last),
            "entity_start_byte": at_units(tokens.unit_start_byte, first),
            "entity_end_byte": at_units(tokens.unit_end_byte, last),
            "entity_label": tf.where(
                present, tf.gather(self.types, tf.maximum(spans.entity_type, 0)), ""
            ),
            "entity_score": tf.where(present, spans.entity_score, 0.0),
            "entity_count": spans.count,
        }

    @tf.function(input_signature=[WORDS], autograph=False)
    def words(self, words: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tag and score of each word; string [B, W] -> [B, W], where "" after a row's last word means none.

        A word that BERT's text cleaning leaves without a piece is not seen by the model: its score is 0, its tag O, or inside the
        entity where both neighbours belong to the same one.
        """
        width = tf.shape(words)[1]
        counts = tf.reduce_max(
            tf.pad(tf.where(words != "", tf.range(1, width + 1), 0), [[0, 0], [1, 0]]), axis=1
        )
        tagged = self.tagger.tag(
            self.tagger.tokenizer.tokenize_words(tf.RaggedTensor.from_tensor(words, lengths=counts))
        )
        tag_ids, scores = spread(tagged, tf.shape(words), self.bridge)
        given = tf.sequence_mask(counts, width)
        return {
            "tag": tf.where(given, tf.gather(self.tags, tag_ids), ""),
            "score": tf.where(given, scores, 0.0),
        }

    @tf.function(input_signature=[INPUT_IDS, LENGTH], autograph=False)
    def features(self, input_ids: tf.Tensor, length: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tag probabilities of pieces that were made elsewhere, [CLS] and [SEP] included; int32 [B, T], [B] -> [B, T, K].

        What stands behind `length` changes nothing; its probabilities are 0.
        """
        probabilities = tf.exp(self.tagger.piece_log_probabilities(input_ids, length))
        return {
            "probabilities": tf.where(
                tf.sequence_mask(length, tf.shape(input_ids)[1])[..., None], probabilities, 0.0
            )
        }


def at_units(values: tf.RaggedTensor, units_BE: tf.Tensor) -> tf.Tensor:
    """What a ragged [B, (U)] tensor holds at some units, -1 where absent; [B, E] -> [B, E]."""
    flat = units_BE + tf.cast(values.row_starts(), tf.int32)[:, None]
    padded = tf.concat([values.values, [-1]], 0)
    return tf.gather(padded, tf.where(units_BE < 0, tf.size(values.values), flat))


def spread(
    tagged: TaggedUnits, shape: tf.Tensor, bridge_KK: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Tags and scores of visible units back at their words; -> int32 and float32 of `shape` [B, W]."""
    index = tf.stack([tf.cast(tagged.unit.value_rowids(), tf.int32), tagged.unit.values], 1)
    tags = tf.scatter_nd(index, tagged.tag.values, shape)
    scores = tf.scatter_nd(index, tagged.probability.values, shape)
    visible = tf.scatter_nd(index, tf.ones_like(index[:, 0]), shape)
    rank = tf.cumsum(visible, axis=1, exclusive=True)
    around = tf.pad(
        tagged.tag.to_tensor(0), [[0, 0], [1, 1]]
    )  # O before the first and after the last visible unit
    before, after = tf.gather(around, rank, batch_dims=1), tf.gather(around, rank + 1, batch_dims=1)
    return tf.where(
        visible > 0, tags, tf.gather_nd(bridge_KK, tf.stack([before, after], -1))
    ), scores


def bridging_tags(labels: LabelSet) -> np.ndarray:
    """The tag of an unseen word between two tags: inside where they belong to one entity, else O; int32 [K, K]."""
    bridge = np.zeros([len(labels.tags)] * 2, np.int32)
    for i, before in enumerate(labels.tags):
        for j, after in enumerate(labels.tags):
            if before[0] in "BI" and after[0] in "IE" and before[1:] == after[1:]:
                bridge[i, j] = labels.id(f"I{before[1:]}")
    return bridge
