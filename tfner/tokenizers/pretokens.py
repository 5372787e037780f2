"""Raw text to BERT's pre-tokens in graph: clean, normalize and cut as `BertNormalizer` and `BertPreTokenizer` do."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfner.tokenizers import characters
from tfner.tokenizers.characters import (
    BLOCK_MASK,
    BLOCK_SHIFT,
    CLASS_MASK,
    COUNT_MASK,
    COUNT_SHIFT,
    DELETED,
    DIGIT,
    EXPANDED,
    KEPT_MARK,
    LETTER,
    LOST_MARK,
    SPACE,
    VALUE_MASK,
    VALUE_SHIFT,
)
from tfner.tokenizers.combining import canonical_order, combining_classes
from tfner.tokenizers.vocabulary import TokenizerSettings

SLOT_SHIFT = 3  # an output is numbered 8 * (its character) + (its place within the expansion)


class Cut(NamedTuple):
    """How M code points that the normalizer gives for N characters form P pre-tokens.

    output, source: int32 (M,), the code points, and the character that each comes from.
    splits: int32 (P+1,), where the pre-tokens begin among them.
    first, last: int32 (P,), each pre-token's first and last character.
    kind: int32 (P,), the class of the first character, LETTER to CJK.
    space_before: bool (P,), white space or the begin of the text stands before it.
    lost_mark: bool (N,), an accent that was stripped; (0,) if the batch has none.
    """

    output: tf.Tensor
    source: tf.Tensor
    splits: tf.Tensor
    first: tf.Tensor
    last: tf.Tensor
    kind: tf.Tensor
    space_before: tf.Tensor
    lost_mark: tf.Tensor


class Characters(NamedTuple):
    """N code points of B texts on end.

    code: int32 (N,). byte: int64 (N,), where in its text each begins. splits: int32 (B+1,), where the texts begin.
    """

    code: tf.Tensor
    byte: tf.Tensor
    splits: tf.Tensor


class PreTokenizer(tf.Module):
    """Holds the character tables of one setting and looks texts up in them."""

    def __init__(self, settings: TokenizerSettings):
        super().__init__(name="pre_tokenizer")
        table = characters.character_table(
            lowercase=settings.lowercase,
            strip_accents=settings.strips_accents,
            tokenize_chinese_chars=settings.tokenize_chinese_chars,
            clean_text=settings.clean_text,
        )
        with tf.device("/CPU:0"):
            self._index, self._blocks, self._expansions = map(
                tf.constant, (table.index, table.blocks, table.expansions)
            )
            self._marks, self._mark_classes = map(tf.constant, combining_classes())

    def __call__(self, text_B: tf.Tensor) -> tuple[Characters, Cut]:
        """Decode and cut texts, tf.string (B,), any bytes; what is not UTF-8 is read as U+FFFD."""
        splits, code_N, byte_N = tf.raw_ops.UnicodeDecodeWithOffsets(
            input=text_B, input_encoding="UTF-8"
        )
        splits_B = tf.cast(
            splits, tf.int32
        )  # with Tsplits=tf.int32 the op ends the process in a failed check
        entry_N = self._look_up(code_N)
        cut = tf.cond(
            tf.reduce_min(entry_N) < 0,
            lambda: self._cut_rare(code_N, entry_N, splits_B),
            lambda: cut_plain(code_N, entry_N, splits_B),
        )
        return Characters(code_N, byte_N, splits_B), cut

    def _look_up(self, code_N: tf.Tensor) -> tf.Tensor:
        block_N = tf.gather(self._index, tf.bitwise.right_shift(code_N, BLOCK_SHIFT))
        return tf.gather(self._blocks, block_N + tf.bitwise.bitwise_and(code_N, BLOCK_MASK))

    def _cut_rare(self, code_N: tf.Tensor, entry_N: tf.Tensor, splits_B: tf.Tensor) -> Cut:
        """Cut a batch in which characters are deleted, become several or change places."""
        code_N, entry_N = self._order_marks(code_N, entry_N, splits_B)
        class_N = tf.bitwise.bitwise_and(entry_N, CLASS_MASK)
        output_M, source_M = self._expand(code_N, entry_N, class_N)
        space_N = tf.concat([tf.cast(tf.equal(class_N, SPACE), tf.int32), [0]], 0)
        break_N = tf.cumsum(
            tf.tensor_scatter_nd_add(space_N, splits_B[:, None], tf.ones_like(splits_B))
        )
        break_M = tf.gather(break_N, source_M)
        space_before_M = tf.not_equal(break_M, tf.concat([[0], break_M[:-1]], 0))
        alone_M = tf.gather((class_N > DIGIT) & (class_N < SPACE), source_M)
        new_M = space_before_M | alone_M | tf.concat([alone_M[:1], alone_M[:-1]], 0)
        start_P = places(new_M)
        splits = tf.concat([start_P, tf.shape(source_M)], 0)
        first_P, last_P = tf.gather(source_M, start_P), tf.gather(source_M, splits[1:] - 1)
        class_P = tf.gather(class_N, first_P)
        kind_P = tf.where(class_P < SPACE, class_P, LETTER)
        space_before_P = tf.gather(space_before_M, start_P)
        return Cut(
            output_M,
            source_M,
            splits,
            first_P,
            last_P,
            kind_P,
            space_before_P,
            tf.equal(class_N, LOST_MARK),
        )

    def _order_marks(
        self, code_N: tf.Tensor, entry_N: tf.Tensor, splits_B: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Bring combining marks into canonical order, where one of them is kept."""
        class_N = tf.bitwise.bitwise_and(entry_N, CLASS_MASK)

        def order() -> tuple[tf.Tensor, tf.Tensor]:
            ordered_N = canonical_order(
                code_N, tf.not_equal(class_N, DELETED), splits_B, self._marks, self._mark_classes
            )
            return ordered_N, self._look_up(ordered_N)

        return tf.cond(
            tf.reduce_any(tf.equal(class_N, KEPT_MARK)), order, lambda: (code_N, entry_N)
        )

    def _expand(
        self, code_N: tf.Tensor, entry_N: tf.Tensor, class_N: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What comes out of the characters, none, one or several code points each, and the character that each comes from."""
        count_N = tf.bitwise.bitwise_and(tf.bitwise.right_shift(entry_N, COUNT_SHIFT), COUNT_MASK)
        count_N = tf.where(
            tf.equal(class_N, EXPANDED),
            count_N,
            tf.cast((class_N < SPACE) | tf.equal(class_N, KEPT_MARK), tf.int32),
        )
        slot_N = tf.bitwise.left_shift(tf.range(tf.size(code_N)), SLOT_SHIFT)
        slot_M = tf.raw_ops.RaggedRange(
            starts=slot_N, limits=slot_N + count_N, deltas=1, Tsplits=tf.int32
        )[1]
        source_M = tf.bitwise.right_shift(slot_M, SLOT_SHIFT)
        entry_M = tf.gather(entry_N, source_M)
        value_M = tf.bitwise.bitwise_and(tf.bitwise.right_shift(entry_M, VALUE_SHIFT), VALUE_MASK)
        expanded_M = tf.equal(tf.bitwise.bitwise_and(entry_M, CLASS_MASK), EXPANDED)
        place_M = tf.where(
            expanded_M, value_M + slot_M - tf.bitwise.left_shift(source_M, SLOT_SHIFT), 0
        )
        one_M = tf.bitwise.bitwise_xor(tf.gather(code_N, source_M), value_M)
        return tf.where(expanded_M, tf.gather(self._expansions, place_M), one_M), source_M


def cut_plain(code_N: tf.Tensor, entry_N: tf.Tensor, splits_B: tf.Tensor) -> Cut:
    """Cut a batch of ordinary text: every character gives one code point, white space none."""
    class_N = tf.bitwise.bitwise_and(entry_N, CLASS_MASK)
    left = tf.concat(
        [[SPACE], class_N], 0
    )  # (N+1,), what stands before each character; a text begins as after a space
    left = tf.tensor_scatter_nd_update(left, splits_B[:, None], tf.fill(tf.shape(splits_B), SPACE))
    border = tf.maximum(left, tf.concat([class_N, [SPACE]], 0)) > DIGIT
    inked_N = tf.not_equal(class_N, SPACE)
    first_P, last_P = places(border[:-1] & inked_N), places(border[1:] & inked_N)
    splits, source_M = tf.raw_ops.RaggedRange(
        starts=first_P, limits=last_P + 1, deltas=1, Tsplits=tf.int32
    )
    output_N = tf.bitwise.bitwise_xor(code_N, tf.bitwise.right_shift(entry_N, VALUE_SHIFT))
    kind_P, space_before_P = tf.gather(class_N, first_P), tf.equal(tf.gather(left, first_P), SPACE)
    return Cut(
        tf.gather(output_N, source_M),
        source_M,
        splits,
        first_P,
        last_P,
        kind_P,
        space_before_P,
        tf.zeros([0], tf.bool),
    )


def places(flags: tf.Tensor) -> tf.Tensor:
    """Where the flags are set, int32."""
    return tf.cast(tf.reshape(tf.where(flags), [-1]), tf.int32)
