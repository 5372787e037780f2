"""Find the sentences of raw text in graph: which of its units begin one.

A sentence begins

1. after full stops, question or exclamation marks and the like, and the closing quotation marks
   and brackets that touch them, if white space follows; Chinese and Japanese marks need none. A
   closing bracket or another such mark that stands by itself belongs to what is before it;
2. after an empty line;
3. on a new line, if the line before it had room for the next word: where a text was broken at some
   width, it had none.

By 1 and 3 none begins with a lower-case letter, and by 1 none after a full stop that belongs to an
abbreviation or an ordinal number: `Dr. Moss`, `Art. 5`, `3. Oktober`. (`U.S.` and the initial `W.`
are units with their full stops, and end nothing.) In doubt nothing is cut: two sentences read
together cost little beside one that is read in halves.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from tfner.tokenizers.pretokens import Characters, decode
from tfner.tokenizers.protocol import Tokens
from tfner.tokenizers.ragged_ops import before, concat, indices_of, ranges, row_lengths
from tfner.tokenizers.sentence_marks import ENDS, LINE_ENDS, WIDE_ENDS
from tfner.tokenizers.units import without

OPENERS = "\"'`“‘„‚«‹([{¿¡「『（"
BRACKETS = ")]}」』）"
CLOSERS = f"\"'”’“‘»›{BRACKETS}"
ABBREVIATIONS = (
    "abs|adm|approx|apt|art|ave|bd|blvd|bros|bzw|ca|capt|cf|co|col|corp|dept|dipl|dott|dr|"
    "dra|drs|eds|est|fig|figs|fr|ft|gen|gov|hon|hr|hrsg|inc|ing|jr|lt|ltd|maj|mlle|mme|mr|"
    "mrs|ms|mt|nos|nr|pp|pres|prof|pvt|rep|resp|rev|sen|sgt|sig|sog|sr|sra|st|ste|tel|univ|"
    "vgl|vol|vs"
)
READ = 16  # characters of a unit, which say all that GOES_ON asks of it
# Matches a border that is none: the word before a full stop that touches it, or nothing, then the
# unit behind white space.
GOES_ON = "|".join(
    (
        r"(?s:.*) \p{Ll}(?s:.*)",
        rf"(?i:{ABBREVIATIONS})\. (?s:.*)",
        r"(?:\d{1,2}|[IVXLC]+)\. (?s:.*)",
        r"\pL{1,4}\. \d(?s:.*)",
    )
)


class TextUnits(NamedTuple):
    """Hold the U units of B texts with where they stand among the N characters of all texts.

    text: int32 [U], number of the text.
    first, last: int32 [U], its first and last character.
    code, last_code: int32 [U], their code points.
    begins_text: bool [U].
    touches: bool [U], nothing stands between it and the unit before it.
    """

    text: tf.Tensor
    first: tf.Tensor
    last: tf.Tensor
    code: tf.Tensor
    last_code: tf.Tensor
    begins_text: tf.Tensor
    touches: tf.Tensor

    def are_runs_of(self, characters: str) -> tf.Tensor:
        """Tell which units are one of these marks, once or repeated as in `''`: bool [U]."""
        return tf.equal(self.code, self.last_code) & self.begin_with(characters)

    def begin_with(self, characters: str) -> tf.Tensor:
        """Tell which units begin with one of these characters: bool [U]."""
        return are_among(self.code, characters)


class Sentences(NamedTuple):
    """Hold the pieces of Tokens in shorter rows, a sentence each.

    ids: int32 [S, (T)].
    first_of_unit: bool [S, (T)].
    units: int32 [S], how many each sentence has.
    """

    ids: tf.RaggedTensor
    first_of_unit: tf.RaggedTensor
    units: tf.Tensor


def cut_sentences(text_B: tf.Tensor, tokens: Tokens) -> Sentences:
    """Cut texts into sentences, in order; a text without units has none.

    Args:
        text_B: tf.string [B], any bytes.
        tokens: those that a tokenizer gives for these texts, in which every unit has a piece.
    """
    begins_U = sentence_begins(text_B, tokens).values
    first_T = tokens.first_of_unit.values
    piece_U = indices_of(first_T)
    piece_S = tf.boolean_mask(piece_U, begins_U)
    unit_S = indices_of(begins_U)
    splits = concat(piece_S, tf.size(first_T)[None])
    ids = tf.RaggedTensor.from_row_splits(tokens.ids.values, splits, validate=False)
    first_of_unit = ids.with_values(first_T)
    units_S = row_lengths(concat(unit_S, tf.size(begins_U)[None]))
    return Sentences(ids, first_of_unit, units_S)


def sentence_begins(text_B: tf.Tensor, tokens: Tokens) -> tf.RaggedTensor:
    """Mark the first unit of each sentence. The first of a text always is one.

        Is   it   in   the   U.S.   ?   Dr   .   Moss   left   .   "   No   "
        1    0    0    0     0      0   1    0   0      0      0   1   0    0

    Args:
        text_B: tf.string [B], any bytes.
        tokens: those that a tokenizer gives for these texts.

    Returns:
        bool [B, (U)].
    """
    with tf.device("/CPU:0"):
        characters = decode(text_B)
        units = find_units(characters, tokens)
        anchor_U = last_unclosed(units)
        after_end_U = tf.gather(units.begin_with(ENDS), anchor_U) & are_parted(units)
        after_end_U = without(after_end_U, units.begin_with(ENDS + BRACKETS))
        line_ends_U = count_line_ends(characters.code, units)
        empty_line_U = line_ends_U > 1
        on_new_line_U = line_ends_U > 0
        new_line_U = on_new_line_U & had_room(units, on_new_line_U, tf.size(text_B))
        sure_U = units.begins_text | empty_line_U
        doubtful = indices_of(without(after_end_U | new_line_U, sure_U))
        context = border_context(characters.code, units, anchor_U, doubtful)
        begins = tf.logical_not(tf.strings.regex_full_match(context, GOES_ON))
        begins_U = tf.tensor_scatter_nd_update(sure_U, doubtful[:, None], begins)
        return tokens.unit_start.with_values(begins_U)


def find_units(characters: Characters, tokens: Tokens) -> TextUnits:
    """Find the units of tokens among the characters of their texts."""
    text_U = tf.cast(tokens.unit_start.value_rowids(), tf.int32)
    shift_U = tf.gather(characters.splits, text_U)
    first_U = shift_U + tokens.unit_start.values
    last_U = shift_U + tokens.unit_end.values - 1
    code_U = tf.gather(characters.code, first_U)
    last_code_U = tf.gather(characters.code, last_U)
    nowhere = tf.fill(tf.shape(text_U[:1]), -1)
    before_U = concat(nowhere, text_U[:-1])
    begins_text_U = tf.not_equal(text_U, before_U)
    touches_U = without(tf.equal(first_U, before(last_U) + 1), begins_text_U)
    codes = code_U, last_code_U
    return TextUnits(text_U, first_U, last_U, *codes, begins_text_U, touches_U)


def last_unclosed(units: TextUnits) -> tf.Tensor:
    """Find the unit that stands before each, behind which are at most closing marks; int32 [U].

    Quotation marks touch what they close; brackets may stand by themselves:

        unit    left   .   "   )   Then
        index   0      1   2   3   4
        found   0      0   1   1   1
    """
    brackets_U = without(units.are_runs_of(BRACKETS), units.begins_text)
    closes_U = brackets_U | (units.are_runs_of(CLOSERS) & units.touches)
    solid_U = tf.logical_not(closes_U)
    number_U = tf.cumsum(tf.cast(solid_U, tf.int32))
    last_U = tf.gather(indices_of(solid_U), number_U - 1)
    return before(last_U)


def are_parted(units: TextUnits) -> tf.Tensor:
    """Tell which units white space or a wide mark parts from the one before; bool [U]."""
    after_wide_U = before(units.begin_with(WIDE_ENDS))
    closes_U = units.are_runs_of(CLOSERS)
    return tf.logical_not(units.touches) | without(after_wide_U, closes_U)


def are_among(code_N: tf.Tensor, characters: str) -> tf.Tensor:
    """Tell which code points are those of some characters: int32 [N] -> bool [N]."""
    codes = list(map(ord, characters))
    return tf.reduce_any(tf.equal(code_N[:, None], codes), 1)


def count_line_ends(code_N: tf.Tensor, units: TextUnits) -> tf.Tensor:
    """Count the ends of lines between each unit and the one before it; int32 [U].

    A return and the line feed behind it are one end. A form feed beside a line end ends no further
    line: it says that a page ends there as well.
    """
    is_page_N = are_among(code_N, "\f")
    is_line_N = without(are_among(code_N, LINE_ENDS), is_page_N)
    beside_line_N = before(is_line_N) | concat(is_line_N[1:], is_line_N[-1:])
    behind_return_N = before(are_among(code_N, "\r")) & are_among(code_N, "\n")
    is_end_N = without(is_line_N, behind_return_N) | without(is_page_N, beside_line_N)
    count_N = tf.cumsum(tf.cast(is_end_N, tf.int32))
    count_U = tf.gather(count_N, units.first) - tf.gather(count_N, before(units.last))
    return tf.where(units.begins_text, 0, count_U)


def had_room(units: TextUnits, new_line_U: tf.Tensor, texts: tf.Tensor) -> tf.Tensor:
    """Tell of each unit's line whether its first word would have fitted on the line before.

    The longest line of a text says how wide it is. Of no meaning on a text's first line.

    Args:
        new_line_U: bool [U], which units begin a line within their text.
        texts: how many there are.
    """
    begins_line_U = new_line_U | units.begins_text
    count = tf.size(units.first)
    first_L = indices_of(begins_line_U)
    last_L = first_L + row_lengths(concat(first_L, count[None])) - 1
    start_L = tf.gather(units.first, first_L)
    length_L = tf.gather(units.last, last_L) - start_L + 1
    text_L = tf.gather(units.text, first_L)
    width_B = tf.math.unsorted_segment_max(length_L, text_L, texts)
    begins_word_U = tf.logical_not(units.touches)
    word_W = indices_of(begins_word_U)
    last_W = word_W + row_lengths(concat(word_W, count[None])) - 1
    number_U = tf.cumsum(tf.cast(begins_word_U, tf.int32)) - 1
    last_of_word_L = tf.gather(last_W, tf.gather(number_U, first_L))
    word_length_L = tf.gather(units.last, last_of_word_L) - start_L + 1
    fits_L = before(length_L) + 1 + word_length_L <= tf.gather(width_B, text_L)
    line_U = tf.cumsum(tf.cast(begins_line_U, tf.int32)) - 1
    return tf.gather(fits_L, line_U)


def border_context(
    code_N: tf.Tensor, units: TextUnits, anchor_U: tf.Tensor, border: tf.Tensor
) -> tf.Tensor:
    """Collect what stands around borders before units, int32 [K], for GOES_ON; tf.string [K].

    For the border in `met Dr. "Moss"` that is `Dr. Moss`.
    """
    anchor = tf.gather(anchor_U, border)
    full_stop_U = tf.equal(units.first, units.last) & units.begin_with(".") & units.touches
    shortens = tf.gather(full_stop_U, anchor)
    word = unit_text(code_N, units, tf.maximum(anchor - 1, 0))
    before_border = tf.where(shortens, tf.strings.join([word, "."]), "")
    inner_U = tf.logical_not(units.are_runs_of(OPENERS))
    number_U = tf.cumsum(tf.cast(inner_U, tf.int32), exclusive=True)
    inner = concat(indices_of(inner_U), tf.size(inner_U)[None] - 1)  # the last, where none follows
    opened = tf.gather(inner, tf.gather(number_U, border))
    same_text = tf.equal(tf.gather(units.text, opened), tf.gather(units.text, border))
    behind = unit_text(code_N, units, tf.where(same_text, opened, border))
    return tf.strings.join([before_border, " ", behind])


def unit_text(code_N: tf.Tensor, units: TextUnits, index: tf.Tensor) -> tf.Tensor:
    """Give the first characters of units, READ at most; int32 [K] -> tf.string [K].

    They are made of their code points: a text is long, and each cut from it would copy it.
    """
    first = tf.gather(units.first, index)
    last = tf.minimum(tf.gather(units.last, index), first + READ - 1)
    splits, character = ranges(first, last + 1)
    code = tf.gather(code_N, character)
    encode = tf.raw_ops.UnicodeEncode
    return encode(input_values=code, input_splits=splits, output_encoding="UTF-8")
