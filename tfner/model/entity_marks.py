"""Where entities begin and end in a sequence of tags, in graph, read as conlleval and seqeval's
default mode read them.

Any sequence has a reading, legal or not. A position begins or ends an entity depending on its own
tag and one neighbour, so the rules are two tables over pairs of tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfner.exceptions import ConfigError

__all__ = ["EntityMarks", "MarkRules", "left_align", "mark_entities", "mark_rules"]

# Pairs of prefixes (left, right) of the same type between which an entity ends or begins; between
# types both happen.
_ENDS = {
    *("BB", "BS", "BO", "IB", "IS", "IO"),
    *(left + right for left in "ES" for right in "BIESO"),
}
_BEGINS = {
    *(left + right for left in "BIESO" for right in "BS"),
    *(left + right for left in "ESO" for right in "EI"),
}


class MarkRules(NamedTuple):
    """The tables for K tags; index K stands for O, also where the tags have no O of their own."""

    types: tuple[str, ...]
    type_of_tag: np.ndarray  # int32 [K + 1], index into types, -1 for O
    begins: np.ndarray  # bool [K + 1, K + 1]: an entity begins at the right one of two neighbours
    ends: np.ndarray  # bool [K + 1, K + 1]: an entity ends at the left one of two neighbours


class EntityMarks(NamedTuple):
    """The entities of each row, marked at their first and last position; all [B, T]."""

    begins: tf.Tensor  # bool
    ends: tf.Tensor  # bool
    type: tf.Tensor  # int32, -1 outside entities


def mark_rules(tags: Sequence[str], types: Sequence[str] | None = None) -> MarkRules:
    """Build the tables from tag names such as O, B-PER, I-PER, E-PER, S-PER.

    Args:
        tags: the K tag names, by id.
        types: the order of the entity types; by default that of their first appearance.

    Raises:
        ConfigError: a tag that has none of the prefixes B, I, E, S and O, or a type that is not
            among `types`.
    """
    prefixes, names = zip(*(_split(tag) for tag in [*tags, "O"]), strict=True)
    types = tuple(
        types if types is not None else dict.fromkeys(name for name in names if name is not None)
    )
    unknown = sorted({name for name in names if name is not None} - set(types))
    if unknown:
        raise ConfigError(
            f"expected the types {list(types)}, got tags of the types {unknown} as well"
        )
    type_of_tag = np.array([-1 if name is None else types.index(name) for name in names], np.int32)
    return MarkRules(
        types,
        type_of_tag,
        _pairs(_BEGINS, prefixes, type_of_tag, 1),
        _pairs(_ENDS, prefixes, type_of_tag, 0),
    )


def mark_entities(
    rules: MarkRules, tags_BT: tf.Tensor, segments_BT: tf.Tensor | None = None
) -> EntityMarks:
    """Mark the entities of each row: int32 [B, T] tag ids, -1 = no tag, which reads as O.

    Rows are sequences of their own; with `segments_BT` so is each run of equal segment ids within a
    row.
    """
    outside = len(rules.type_of_tag) - 1
    tags_BT = tf.where(tags_BT < 0, outside, tf.cast(tags_BT, tf.int32))
    before_BT = tf.pad(tags_BT[:, :-1], [[0, 0], [1, 0]], constant_values=outside)[
        :, : tf.shape(tags_BT)[1]
    ]
    after_BT = tf.pad(tags_BT[:, 1:], [[0, 0], [0, 1]], constant_values=outside)[
        :, : tf.shape(tags_BT)[1]
    ]
    if segments_BT is not None:
        same = segments_BT[:, 1:] == segments_BT[:, :-1]
        before_BT = tf.where(
            tf.pad(same, [[0, 0], [1, 0]])[:, : tf.shape(tags_BT)[1]], before_BT, outside
        )
        after_BT = tf.where(
            tf.pad(same, [[0, 0], [0, 1]])[:, : tf.shape(tags_BT)[1]], after_BT, outside
        )
    return EntityMarks(
        _look_up(rules.begins, before_BT, tags_BT),
        _look_up(rules.ends, tags_BT, after_BT),
        tf.gather(tf.constant(rules.type_of_tag), tags_BT),
    )


def left_align(values_BT: tf.Tensor, keep_BT: tf.Tensor) -> tf.Tensor:
    """Move each row's kept values to its front, in order, -1 behind.

    Int32 [B, T] >= -1, bool [B, T] -> int32 [B, T].

    A scatter of static shape instead of `boolean_mask`, which neither XLA nor a TPU compiles.
    """
    shape = tf.shape(values_BT)
    place_BT = (
        tf.cumsum(tf.cast(keep_BT, tf.int32), axis=1, exclusive=True)
        + tf.range(shape[0])[:, tf.newaxis] * shape[1]
    )
    shifted_BT = tf.where(
        keep_BT, tf.cast(values_BT, tf.int32) + 1, 0
    )  # what is dropped adds 0 to its neighbour's place
    return (
        tf.reshape(tf.math.unsorted_segment_sum(shifted_BT, place_BT, shape[0] * shape[1]), shape)
        - 1
    )


def _split(tag: str) -> tuple[str, str | None]:
    """B-PER -> (B, PER); O -> (O, None); a bare B has the type _, as in seqeval."""
    prefix, _, name = tag.partition("-")
    if tag == "O":
        return "O", None
    if prefix not in {"B", "I", "E", "S"}:
        raise ConfigError(f"expected a tag like O, B-PER, I-PER, E-PER or S-PER, got {tag!r}")
    return prefix, name or "_"


def _pairs(
    marked: set[str], prefixes: Sequence[str], type_of_tag: np.ndarray, inside: int
) -> np.ndarray:
    """The table of a rule: bool [K + 1, K + 1].

    Where types differ it holds wherever the tag on the `inside` (0 left, 1 right) is no O.
    """
    table = np.array([[left + right in marked for right in prefixes] for left in prefixes])
    differ = type_of_tag[:, np.newaxis] != type_of_tag[np.newaxis, :]
    within = (type_of_tag >= 0)[np.newaxis, :] if inside else (type_of_tag >= 0)[:, np.newaxis]
    return table | (differ & within)


def _look_up(table: np.ndarray, left_BT: tf.Tensor, right_BT: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.constant(table.reshape(-1)), left_BT * len(table) + right_BT)
