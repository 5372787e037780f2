"""Cut raw text into BERT's pre-tokens in graph, as `BertNormalizer` and `BertPreTokenizer` do."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import tensorflow as tf

from tfner.tokenizers import characters
from tfner.tokenizers.characters import CJK, DELETED, DIGIT, EXPANDED, KEPT_MARK, LETTER, SPACE
from tfner.tokenizers.combining import canonical_order, combining_classes
from tfner.tokenizers.ragged_ops import add_row_begins, before, concat, indices_of, ranges
from tfner.tokenizers.vocabulary import TokenizerSettings

SLOT_SHIFT = 3  # an output is numbered 8 * (its character) + (its index within the expansion)


class Pretokens(NamedTuple):
    """Hold P pre-tokens, made of M code points that the normalizer gives for N characters.

    output, source: int32 [M], the code points, and the character that each comes from.
    splits: int32 [P + 1], where the pre-tokens begin among them.
    first, last: int32 [P], each pre-token's first and last character.
    kind: int32 [P], the class of the first character, LETTER to CJK.
    space_before: bool [P], white space or the begin of the text stands before it.
    stripped_mark: bool [N], an accent that was stripped; [0] if the batch has none.
    """

    output: tf.Tensor
    source: tf.Tensor
    splits: tf.Tensor
    first: tf.Tensor
    last: tf.Tensor
    kind: tf.Tensor
    space_before: tf.Tensor
    stripped_mark: tf.Tensor


class Characters(NamedTuple):
    """Hold N code points of B texts on end.

    Args:
        code: int32 [N].
        byte: int64 [N], where in its text each begins.
        splits: int32 [B + 1], where the texts begin.
    """

    code: tf.Tensor
    byte: tf.Tensor
    splits: tf.Tensor


def decode(text_B: tf.Tensor) -> Characters:
    """Decode texts, tf.string [B], any bytes; what is not UTF-8 is read as U+FFFD."""
    # with Tsplits=tf.int32 the op ends the process in a failed check
    found = tf.raw_ops.UnicodeDecodeWithOffsets(input=text_B, input_encoding="UTF-8")
    splits, code_N, byte_N = found
    splits_B = tf.cast(splits, tf.int32)
    return Characters(code_N, byte_N, splits_B)


class PreTokenizer(tf.Module):
    """Hold the character tables of one setting and look texts up in them.

    Args:
        settings: how text is cleaned.
        kana_alone: whether each kana is a pre-token by itself, as a Chinese character is.
    """

    def __init__(self, settings: TokenizerSettings, *, kana_alone: bool = False):
        super().__init__(name="pre_tokenizer")
        table = characters.character_table(
            lowercase=settings.lowercase,
            strip_accents=settings.strips_accents,
            tokenize_chinese_chars=settings.tokenize_chinese_chars,
            clean_text=settings.clean_text,
            kana_alone=kana_alone,
        )
        marks, classes = combining_classes()
        with tf.device("/CPU:0"):
            self._index = tf.constant(table.index)
            self._blocks = tf.constant(table.blocks)
            self._expansions = tf.constant(table.expansions)
            self._marks = tf.constant(marks)
            self._mark_classes = tf.constant(classes)

    def __call__(self, text_B: tf.Tensor) -> tuple[Characters, Pretokens]:
        """Decode and cut texts, tf.string [B], any bytes; what is not UTF-8 is read as U+FFFD.

        >>> found, pretokens = PreTokenizer(TokenizerSettings())(tf.constant(["Né 8%", "x"]))
        >>> bytes(found.code.numpy().tolist()).decode("latin-1")
        'Né 8%x'
        >>> found.splits.numpy().tolist()
        [0, 5, 6]
        >>> bytes(pretokens.output.numpy().tolist()).decode()
        'ne8%x'
        >>> pretokens.splits.numpy().tolist()
        [0, 2, 3, 4, 5]
        >>> pretokens.space_before.numpy().tolist()
        [True, True, False, True]
        """
        found = decode(text_B)
        code_N, _, splits_B = found
        entry_N = self._look_up(code_N)
        any_rare = tf.reduce_min(entry_N) < 0
        cut_rare = partial(self._cut_rare, code_N, entry_N, splits_B)
        pretokens = tf.cond(any_rare, cut_rare, partial(cut_plain, code_N, entry_N, splits_B))
        return found, pretokens

    def are_cjk(self, code_N: tf.Tensor) -> tf.Tensor:
        """Tell which characters are pre-tokens by themselves and no punctuation; bool [N]."""
        entry_N = self._look_up(code_N)
        return tf.equal(class_of(entry_N), CJK)

    def _look_up(self, code_N: tf.Tensor) -> tf.Tensor:
        """Find the entry of each code point in the two-level table; int32 [N] -> [N]."""
        return look_up(code_N, self._index, self._blocks)

    def _cut_rare(self, code_N: tf.Tensor, entry_N: tf.Tensor, splits_B: tf.Tensor) -> Pretokens:
        """Cut a batch in which characters are deleted, become several or change order."""
        code_N, entry_N = self._order_marks(code_N, entry_N, splits_B)
        class_N = class_of(entry_N)
        output_M, source_M = self._expand(code_N, entry_N, class_N)
        # a break is a white space or the begin of a text; two outputs with as many breaks before
        # them have none between them
        space_N = tf.cast(tf.equal(class_N, SPACE), tf.int32)
        break_N = add_row_begins(space_N, splits_B)
        break_M = tf.gather(tf.cumsum(break_N), source_M)
        break_before_M = concat([0], break_M[:-1])
        space_before_M = tf.not_equal(break_M, break_before_M)
        alone_N = (class_N > DIGIT) & (class_N < SPACE)
        alone_M = tf.gather(alone_N, source_M)
        after_alone_M = before(alone_M)
        start_P = indices_of(space_before_M | alone_M | after_alone_M)
        output_count = tf.shape(source_M)
        splits = concat(start_P, output_count)
        first_P = tf.gather(source_M, start_P)
        last_P = tf.gather(source_M, splits[1:] - 1)
        class_P = tf.gather(class_N, first_P)
        kind_P = tf.where(class_P < SPACE, class_P, LETTER)
        space_before_P = tf.gather(space_before_M, start_P)
        stripped_N = tf.equal(class_N, characters.STRIPPED_MARK)
        outputs = output_M, source_M, splits
        return Pretokens(*outputs, first_P, last_P, kind_P, space_before_P, stripped_N)

    def _order_marks(
        self, code_N: tf.Tensor, entry_N: tf.Tensor, splits_B: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Bring combining marks into canonical order, where one of them is kept."""
        class_N = class_of(entry_N)

        def order() -> tuple[tf.Tensor, tf.Tensor]:
            visible_N = tf.not_equal(class_N, DELETED)
            marks = self._marks, self._mark_classes
            ordered_N = canonical_order(code_N, visible_N, splits_B, *marks)
            return ordered_N, self._look_up(ordered_N)

        any_kept = tf.reduce_any(tf.equal(class_N, KEPT_MARK))
        return tf.cond(any_kept, order, lambda: (code_N, entry_N))

    def _expand(
        self, code_N: tf.Tensor, entry_N: tf.Tensor, class_N: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Give what comes out of the characters: none, one or several code points each.

        Returns:
            The code points, and the character that each comes from; int32 [M] each.
        """
        many_N = tf.bitwise.right_shift(entry_N, characters.COUNT_SHIFT) & characters.COUNT_MASK
        single_N = (class_N < SPACE) | tf.equal(class_N, KEPT_MARK)
        is_expanded_N = tf.equal(class_N, EXPANDED)
        count_N = tf.where(is_expanded_N, many_N, tf.cast(single_N, tf.int32))
        character_count = tf.size(code_N)
        index_N = tf.range(character_count)
        slot_N = tf.bitwise.left_shift(index_N, SLOT_SHIFT)
        slot_M = ranges(slot_N, slot_N + count_N)[1]
        source_M = tf.bitwise.right_shift(slot_M, SLOT_SHIFT)
        within_M = slot_M - tf.bitwise.left_shift(source_M, SLOT_SHIFT)
        entry_M = tf.gather(entry_N, source_M)
        value_M = value_of(entry_M) & characters.VALUE_MASK
        expanded_M = tf.equal(class_of(entry_M), EXPANDED)
        expansion_M = tf.where(expanded_M, value_M + within_M, 0)
        one_of_many_M = tf.gather(self._expansions, expansion_M)
        only_one_M = tf.bitwise.bitwise_xor(tf.gather(code_N, source_M), value_M)
        return tf.where(expanded_M, one_of_many_M, only_one_M), source_M


def cut_plain(code_N: tf.Tensor, entry_N: tf.Tensor, splits_B: tf.Tensor) -> Pretokens:
    """Cut a batch of ordinary text: every character gives one code point, white space none."""
    class_N = class_of(entry_N)
    # [N + 1], what stands before each character; a text begins as after a space
    spaces_B = tf.fill(tf.shape(splits_B), SPACE)
    left = concat([SPACE], class_N)
    left = tf.tensor_scatter_nd_update(left, splits_B[:, None], spaces_B)
    right = concat(class_N, [SPACE])
    border = tf.maximum(left, right) > DIGIT
    inked_N = tf.not_equal(class_N, SPACE)
    border_before_N = border[:-1]
    begins_N = border_before_N & inked_N
    first_P = indices_of(begins_N)
    border_after_N = border[1:]
    ends_N = border_after_N & inked_N
    last_P = indices_of(ends_N)
    splits, source_M = ranges(first_P, last_P + 1)
    output_N = tf.bitwise.bitwise_xor(code_N, value_of(entry_N))
    output_M = tf.gather(output_N, source_M)
    kind_P = tf.gather(class_N, first_P)
    space_before_P = tf.equal(tf.gather(left, first_P), SPACE)
    none_stripped = tf.zeros([0], tf.bool)
    outputs = output_M, source_M, splits
    return Pretokens(*outputs, first_P, last_P, kind_P, space_before_P, none_stripped)


def look_up(code_N: tf.Tensor, index: tf.Tensor, blocks: tf.Tensor) -> tf.Tensor:
    """Find the entry of each code point in a `CharacterTable`; int32 [N] -> [N]."""
    number_N = tf.bitwise.right_shift(code_N, characters.BLOCK_SHIFT)
    block_N = tf.gather(index, number_N)
    within_N = code_N & characters.BLOCK_MASK
    return tf.gather(blocks, block_N + within_N)


def class_of(entry_N: tf.Tensor) -> tf.Tensor:
    """Take the class out of table entries; int32 [N] -> [N]."""
    return entry_N & characters.CLASS_MASK


def value_of(entry_N: tf.Tensor) -> tf.Tensor:
    """Take the value out of table entries, RARE included; int32 [N] -> [N]."""
    return tf.bitwise.right_shift(entry_N, characters.VALUE_SHIFT)
