"""Compute the declared signatures of an export over a Tagger, in graph.

`serving/schema.py` says what they take and give; outputs are dense and of rank 1 or more, as a
server wants them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfner.model.inference.tagger import TaggedUnits, Tagger
from tfner.serving.schema import FEATURES, SIGNATURES, TEXTS, WORDS, TensorSchema
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.wordpiece import Tokens


def input_specs(signature: str) -> list[tf.TensorSpec]:
    """List the inputs of a signature as a tf.function takes them, any size along every axis."""
    specs = []
    for tensor in SIGNATURES[signature].inputs:
        shape = [None] * len(tensor.axes)
        specs.append(tf.TensorSpec(shape, tensor.dtype, tensor.name))
    return specs


class Signatures(tf.Module):
    """Hold the functions of an export, each a tf.function over a Tagger.

    Without autograph: its rewriting of everything that is called took most of the time of tracing.
    """

    def __init__(self, tagger: Tagger):
        super().__init__(name="signatures")
        self.tagger = tagger
        labels = tagger.labels
        self.types = tf.constant(labels.types)
        self.tags = tf.constant(labels.tags)
        self.bridge_KK = tf.constant(bridging_tags(labels))

    @tf.function(input_signature=input_specs(TEXTS), autograph=False)
    def text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Find the entities of B texts, string [B].

        Offsets are half-open, in code points and in bytes of what was sent.
        """
        tokens, tagged = self.tagger.tag_text(text)
        found = FoundEntities(tokens, tagged, self.types)
        return declared_outputs(TEXTS, found)

    @tf.function(input_signature=input_specs(WORDS), autograph=False)
    def words(self, words: tf.Tensor) -> dict[str, tf.Tensor]:
        """Tag each word of B sentences, string [B, W], where "" after a row's last word means none.

        A word that the tokenizer's cleaning leaves without a piece is not seen by the model: its
        score is 0, its tag O, or inside the entity where both neighbours belong to the same one.
        """
        unit, log_probs_MK = self._read_words(words)
        tagged = self.tagger.decode(unit, log_probs_MK)
        shape = tf.shape(words)
        tag_ids, score = scatter_to_words(tagged, shape, self.bridge_KK)
        tag = tf.gather(self.tags, tag_ids)
        present = tf.sequence_mask(count_words(words), shape[1])
        entity_score = None
        if tagged.entity_score is not None:
            entity_score = at_words(tagged, tagged.entity_score, shape)
        found = FoundTags(tagged, tag, score, present, entity_score)
        return declared_outputs(WORDS, found)

    @tf.function(input_signature=input_specs(WORDS), autograph=False)
    def word_probabilities(self, words: tf.Tensor) -> tf.Tensor:
        """Give the probability of each tag for each word of B sentences, for a student to learn.

        It is no signature, so no server offers it; whoever loads the export in Python can call it.
        Thresholds and the decoder change nothing.

        Returns:
            float32 [B, W, K], in the order of the card's tags; zeros for a word that the model does
            not see, and behind a row's last word.
        """
        unit, log_probs_MK = self._read_words(words)
        probabilities_MK = self.tagger.tag_probabilities(unit, log_probs_MK)
        rows = unit.value_rowids()
        rows = tf.cast(rows, tf.int32)
        index_M2 = tf.stack([rows, unit.values], 1)
        shape = tf.shape(words)
        tag_count = len(self.tagger.labels)
        shape_BWK = tf.concat([shape, [tag_count]], 0)
        return tf.scatter_nd(index_M2, probabilities_MK, shape_BWK)

    @tf.function(input_signature=input_specs(WORDS), autograph=False)
    def _read_words(self, words: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor]:
        """Run the classifier over the words of B sentences; see Tagger.read.

        This is a function of its own, so that it stands once in an export, whichever calls it.
        """
        counts = count_words(words)
        ragged = tf.RaggedTensor.from_tensor(words, lengths=counts)
        tokens = self.tagger.tokenizer.tokenize_words(ragged)
        return self.tagger.read(tokens)

    @tf.function(input_signature=input_specs(FEATURES), autograph=False)
    def features(self, input_ids: tf.Tensor, length: tf.Tensor) -> dict[str, tf.Tensor]:
        """Give tag probabilities of pieces that were made elsewhere, int32 [B, T], [B].

        [CLS] and [SEP] are among the pieces; what stands behind `length` changes nothing.
        """
        log_probabilities = self.tagger.piece_log_probabilities(input_ids, length)
        present = tf.sequence_mask(length, tf.shape(input_ids)[1])
        found = FoundPieces(log_probabilities, tf.exp(log_probabilities), present)
        return declared_outputs(FEATURES, found)

    def by_name(self) -> dict[str, Callable[..., dict[str, tf.Tensor]]]:
        """Give the function of each signature that an export has."""
        return {TEXTS: self.text, WORDS: self.words, FEATURES: self.features}


class FoundEntities:
    """Hold what the graph knows of the E entities of B texts: what `compute` of an output is given.

    Attributes:
        tokens: the texts as the tokenizer cut them; ragged [B, (U)] for units.
        spans: entities in positions of the units that have a piece; see Spans.
        first_BE, last_BE: int32, the entity's first and last unit, -1 where there is no entity.
        present: bool [B, E], where there is an entity.
        label: string [B, E], of no meaning where there is none.
    """

    def __init__(self, tokens: Tokens, tagged: TaggedUnits, types: tf.Tensor):
        self.tokens = tokens
        self.spans = spans = tagged.spans
        self.first_BE = at_units(tagged.unit, spans.entity_first)
        self.last_BE = at_units(tagged.unit, spans.entity_last)
        self.present = spans.entity_type >= 0
        type_ids = tf.maximum(spans.entity_type, 0)
        self.label = tf.gather(types, type_ids)

    def at_first(self, values: tf.RaggedTensor) -> tf.Tensor:
        """Select what the entities' first units have: [B, (U)] -> [B, E]."""
        return at_units(values, self.first_BE)

    def at_last(self, values: tf.RaggedTensor) -> tf.Tensor:
        """Select what the entities' last units have: [B, (U)] -> [B, E]."""
        return at_units(values, self.last_BE)


class FoundTags(NamedTuple):
    """Hold what the graph knows of the words of B sentences."""

    tagged: TaggedUnits
    tag: tf.Tensor  # string [B, W], of no meaning behind a row's last word
    score: tf.Tensor  # float32 [B, W], likewise
    present: tf.Tensor  # bool [B, W], where there is a word
    # float32 [B, W], of the word's entity, 0 outside; None where scores are not calibrated
    entity_score: tf.Tensor | None = None


class FoundPieces(NamedTuple):
    """Hold what the graph knows of B rows of pieces."""

    log_probabilities: tf.Tensor  # float32 [B, T, K], of no meaning behind a row's length
    probabilities: tf.Tensor  # float32 [B, T, K], likewise
    present: tf.Tensor  # bool [B, T], where there is a piece


Found = FoundEntities | FoundTags | FoundPieces


def declared_outputs(signature: str, found: Found) -> dict[str, tf.Tensor]:
    """Compute all outputs that are declared for a signature."""
    answer = {}
    for tensor in SIGNATURES[signature].outputs:
        values = tensor.compute(found)
        if values is None:  # this export has no such output
            continue
        check_declared(tensor, values)
        answer[tensor.name] = fill_absent(tensor, values, found.present)
    return answer


def check_declared(tensor: TensorSchema, values: tf.Tensor) -> None:
    """Refuse what is not of the declared type and rank, before a server or client has to."""
    if values.dtype != tensor.dtype or values.shape.rank != len(tensor.axes):
        expected = f"expected {tensor.dtype} [{', '.join(tensor.axes)}]"
        got = f"got {values.dtype.name} {values.shape}"
        raise TypeError(f"output {tensor.name}: {expected}, {got}")


def fill_absent(tensor: TensorSchema, values: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """Put `absent` where nothing was found; an output with one value for each text stays as it is.

    >>> counts = TensorSchema("length", "int32", "BE", "", absent=-1)
    >>> fill_absent(counts, tf.constant([[5, 9]]), tf.constant([[True, False]])).numpy().tolist()
    [[5, -1]]
    """
    further = len(tensor.axes) - present.shape.rank
    if further < 0:
        return values
    for _ in range(further):
        present = tf.expand_dims(present, -1)
    absent = tf.constant(tensor.absent, tensor.dtype)
    return tf.where(present, values, absent)


def count_words(words_BW: tf.Tensor) -> tf.Tensor:
    """Count the words up to the last that is not empty; string [B, W] -> int32 [B].

    >>> count_words(tf.constant([["Mara", "", "left", ""], ["", "", "", ""]])).numpy().tolist()
    [3, 0]
    """
    ends_W = tf.range(1, tf.shape(words_BW)[1] + 1)
    ends_BW = tf.where(words_BW != "", ends_W, 0)
    with_zero = tf.pad(ends_BW, [[0, 0], [1, 0]])  # the maximum of no words at all
    return tf.reduce_max(with_zero, axis=1)


def at_units(values: tf.RaggedTensor, units_BE: tf.Tensor) -> tf.Tensor:
    """Select what a ragged [B, (U)] tensor holds at some units, -1 where absent; [B, E] -> [B, E].

    The starts of two texts of three and two units, where the first has two entities and the second
    one:

    >>> starts = tf.ragged.constant([[0, 5, 10], [0, 7]])
    >>> at_units(starts, tf.constant([[0, 2], [1, -1]])).numpy().tolist()
    [[0, 10], [7, -1]]
    """
    starts = tf.cast(values.row_starts(), tf.int32)
    flat = units_BE + starts[:, None]
    absent = tf.size(values.values)
    index = tf.where(units_BE < 0, absent, flat)
    with_absent = tf.concat([values.values, [-1]], 0)
    return tf.gather(with_absent, index)


def scatter_to_words(
    tagged: TaggedUnits, shape: tf.Tensor, bridge_KK: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Put tags and scores of the units that the model sees back at their words.

    Returns: int32 and float32 of `shape` [B, W]; a word between that it does not see has the tag of
    `bridge_KK`.

    Of the words "New", "\u200b", "York" the second has no piece (tags: 0 O, 1 B-LOC, 2 I-LOC):

    >>> unit = tf.ragged.constant([[0, 2]])
    >>> tagged = TaggedUnits(unit, unit.with_values([1, 2]), unit.with_values([0.5, 0.25]), None)
    >>> bridge = tf.constant(bridging_tags(LabelSet(("LOC",))))
    >>> tags, scores = scatter_to_words(tagged, tf.constant([1, 3]), bridge)
    >>> tags.numpy().tolist(), scores.numpy().tolist()
    ([[1, 2, 2]], [[0.5, 0.0, 0.25]])
    """
    tags_BW = at_words(tagged, tagged.tag, shape)
    scores_BW = at_words(tagged, tagged.probability, shape)
    one = tf.ones_like(tagged.unit)
    seen_BW = at_words(tagged, one, shape)
    rank_BW = tf.cumsum(seen_BW, axis=1, exclusive=True)
    # O stands before the first and after the last unit that is seen.
    neighbours = tf.pad(tagged.tag.to_tensor(0), [[0, 0], [1, 1]])
    before = tf.gather(neighbours, rank_BW, batch_dims=1)
    after = tf.gather(neighbours, rank_BW + 1, batch_dims=1)
    sides = tf.stack([before, after], -1)
    between = tf.gather_nd(bridge_KK, sides)
    return tf.where(seen_BW > 0, tags_BW, between), scores_BW


def at_words(tagged: TaggedUnits, values: tf.RaggedTensor, shape: tf.Tensor) -> tf.Tensor:
    """Put what units have at their words, 0 at words that the model does not see.

    [B, (V)] -> `shape` [B, W].
    """
    rows = tf.cast(tagged.unit.value_rowids(), tf.int32)
    index = tf.stack([rows, tagged.unit.values], 1)
    return tf.scatter_nd(index, values.values, shape)


def bridging_tags(labels: LabelSet) -> np.ndarray:
    """Choose the tag of an unseen word between two: inside if they are one entity's, or O; [K, K].

    >>> labels = LabelSet(("LOC",))
    >>> labels.tags
    ('O', 'B-LOC', 'I-LOC')
    >>> bridging_tags(labels).tolist()  # inside after B-LOC or I-LOC and before I-LOC
    [[0, 0, 0], [0, 0, 2], [0, 0, 2]]
    """
    count = len(labels.tags)
    bridge = np.zeros((count, count), np.int32)
    for i, before in enumerate(labels.tags):
        for j, after in enumerate(labels.tags):
            same_type = before[1:] == after[1:]
            if same_type and before[0] in "BI" and after[0] in "IE":
                bridge[i, j] = labels.id(f"I{before[1:]}")
    return bridge
