"""The word rule: which BERT pre-tokens of raw text make one unit together, in graph. A unit is what gets one tag.

Text is cut at white space into chunks, and these are cut on:

1. A CJK character is a unit by itself.
2. Punctuation that separates (`characters.SEPARATORS`: brackets, quotation marks, comma, …) is cut out wherever it stands, but for a comma
   between digits; so are runs of full stops or hyphens (`well...no`, `yes--no`).
3. Other punctuation is cut off the begin and the end of what remains and stays inside: `O'Brien`, `e-mail`, `AT&T`, `km/h`. Kept at the
   begin are `@` and `#` before a name, at the end the full stop of an initial or an abbreviation with inner ones: `W.`, `U.S.`
4. `'s`, `'m`, `'d`, `'ll`, `'re` and `'ve` at the end are units of their own.
5. Every character so cut off is a unit, but a run of the same one (`...`, `--`, `!!`) is a single unit.

The underscore counts as a letter. The rule follows the words of published corpora, since models are trained on those; how well it does is
measured in the tests. It cuts only where BERT cuts too, so every unit has a piece of its own.
"""

from __future__ import annotations

import functools

import tensorflow as tf

from tfner.data.characters import CJK, LETTER, SEPARATOR
from tfner.data.pretokens import Pretokens

CLITICS = ("s", "m", "d", "ll", "re", "ve")
ASCII_MASK, LOWER_BIT = 127, 32


def unit_starts(pretokens: Pretokens) -> tf.Tensor:
    """Which pre-tokens begin a unit: bool (P,)."""
    code_P = tf.gather(pretokens.code, pretokens.first)
    kind_P = pretokens.kind
    cjk_P = tf.equal(kind_P, CJK)
    chunk_P = pretokens.space_before | cjk_P | before(cjk_P)
    word_P = tf.equal(kind_P, LETTER) | cjk_P | is_any(code_P, "_")
    left_P = tf.where(chunk_P, 0, before(code_P))  # the neighbours' first characters within the chunk, 0 at its ends
    right_P = tf.where(after(chunk_P, True), 0, after(code_P, 0))

    abbreviating_P = full_stops_of_abbreviations(pretokens, code_P, left_P)
    number_comma_P = is_any(code_P, ",") & is_digit(left_P) & is_digit(right_P)
    run_P = is_any(code_P, ".-") & (tf.equal(right_P, code_P) | (tf.equal(left_P, code_P) & ~before(abbreviating_P)))
    separator_P = (tf.equal(kind_P, SEPARATOR) & ~number_comma_P) | (run_P & ~abbreviating_P)
    segment_P = chunk_P | separator_P | before(separator_P)

    leading_P, trailing_P = edges(word_P, segment_P)
    name_P = leading_P & is_any(code_P, "@#") & ~after(segment_P, True) & after(word_P, False)
    clitic_P = clitic_apostrophes(pretokens, code_P) & (segment_P | ~leading_P) & after(word_P & trailing_P, False) & ~after(segment_P, True)
    alone_P = separator_P | ((leading_P | trailing_P) & ~(word_P | name_P | clitic_P | abbreviating_P))
    repeated_P = alone_P & before(alone_P) & tf.equal(code_P, left_P)
    return chunk_P | clitic_P | ((segment_P | alone_P | before(alone_P)) & ~repeated_P)


def full_stops_of_abbreviations(pretokens: Pretokens, code_P: tf.Tensor, left_P: tf.Tensor) -> tf.Tensor:
    """Full stops after a single letter that opens its word or follows another full stop: bool (P,)."""
    letter_P = tf.equal(pretokens.kind, LETTER) & tf.equal(pretokens.first, pretokens.last) & ~is_digit(code_P)
    opening_P = is_any(left_P, "\0.") | before(tf.equal(pretokens.kind, SEPARATOR))
    return is_any(code_P, ".") & ~pretokens.space_before & before(letter_P & opening_P)


def clitic_apostrophes(pretokens: Pretokens, code_P: tf.Tensor) -> tf.Tensor:
    """Apostrophes before a pre-token that is one of CLITICS, in upper or lower case: bool (P,)."""
    key_P = clitic_key(code_P, tf.gather(pretokens.code, pretokens.last), pretokens.last - pretokens.first)
    clitic_P = tf.reduce_any(tf.equal(key_P[:, None], [clitic_key(ord(c[0]), ord(c[-1]), len(c) - 1) for c in CLITICS]), 1)
    return is_any(code_P, "'\u2019") & after(clitic_P, False)


def clitic_key(first: tf.Tensor, last: tf.Tensor, distance: tf.Tensor) -> tf.Tensor:
    """A number that tells short words apart by their first and last letter; letters beyond ASCII count as one that no clitic has."""
    first, last = (tf.bitwise.bitwise_or(tf.minimum(code, ASCII_MASK), LOWER_BIT) for code in (first, last))
    return (distance * (ASCII_MASK + 1) + first) * (ASCII_MASK + 1) + last


def edges(word_P: tf.Tensor, segment_P: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which pre-tokens have no word before them in their segment, which none after them; a word may be in the latter: bool (P,)."""
    first_S = tf.where(segment_P)[:, 0]
    segment_number_P = tf.cumsum(tf.cast(segment_P, tf.int32)) - 1
    count_P = tf.cast(word_P, tf.int32)
    words_P = tf.cumsum(count_P)
    base_S = tf.gather(words_P - count_P, first_S)
    total_S = tf.concat([base_S[1:], words_P[-1:]], 0)
    return tf.equal(words_P, tf.gather(base_S, segment_number_P)), tf.equal(words_P, tf.gather(total_S, segment_number_P))


def is_any(code_P: tf.Tensor, characters: str) -> tf.Tensor:
    """Whether the code points are among a few characters: bool (P,)."""
    return functools.reduce(tf.logical_or, (tf.equal(code_P, ord(character)) for character in characters))


def is_digit(code_P: tf.Tensor) -> tf.Tensor:
    """Whether the code points are ASCII digits: bool (P,)."""
    return (code_P >= ord("0")) & (code_P <= ord("9"))


def before(values_P: tf.Tensor) -> tf.Tensor:
    """What stands one place before; zero or False before the first."""
    return tf.concat([tf.zeros_like(values_P[:1]), values_P[:-1]], 0)


def after(values_P: tf.Tensor, last: int | bool) -> tf.Tensor:
    """What stands one place after; `last` after the last."""
    return tf.concat([values_P[1:], tf.fill(tf.shape(values_P[:1]), last)], 0)
