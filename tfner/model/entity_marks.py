"""Mark where entities begin and end in sequences of tags, and count them, in graph.

Any sequence, legal or not, is read as seqeval's default mode reads it. Without the tags E and S
conlleval reads it the same; it knows no BIOES. A position begins or ends an entity depending on its
own tag and one neighbour, so the rules are two tables over pairs of tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfner.exceptions import ConfigError

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
    """Hold the tables for K tags; index K stands for O, also where the tags have no O."""

    types: tuple[str, ...]
    type_of_tag: np.ndarray  # int32 [K + 1], index into types, -1 for O
    begins: np.ndarray  # bool [K + 1, K + 1]: an entity begins at the right one of two neighbours
    ends: np.ndarray  # bool [K + 1, K + 1]: an entity ends at the left one of two neighbours


class EntityMarks(NamedTuple):
    """Hold the entities of each row, marked at their first and last position; all [B, T]."""

    begins: tf.Tensor  # bool
    ends: tf.Tensor  # bool
    type: tf.Tensor  # int32, -1 outside entities


def mark_rules(tags: Sequence[str], types: Sequence[str] | None = None) -> MarkRules:
    """Build the tables from tag names such as O, B-PER, I-PER, E-PER, S-PER.

    Args:
        tags: the K tag names, by id.
        types: the order of the entity types; by default that of their first appearance.

    Raises:
        ConfigError: a tag has none of the prefixes B, I, E, S and O, or its type is not in `types`.
    """
    prefixes, names = zip(*map(_split, [*tags, "O"]), strict=True)
    typed = filter(None, names)
    found = dict.fromkeys(typed)
    types = tuple(found if types is None else types)
    unknown = sorted(set(found) - set(types))
    if unknown:
        got = f"got tags of the types {unknown} as well"
        raise ConfigError(f"expected the types {list(types)}, {got}")
    indices = [-1 if name is None else types.index(name) for name in names]
    type_of_tag = np.array(indices, np.int32)
    left = type_of_tag[:, None]
    right = type_of_tag[None, :]
    differ = left != right
    begins = _pairs(_BEGINS, prefixes) | (differ & (right >= 0))
    ends = _pairs(_ENDS, prefixes) | (differ & (left >= 0))
    return MarkRules(types, type_of_tag, begins, ends)


def mark_entities(
    rules: MarkRules, tags_BT: tf.Tensor, segments_BT: tf.Tensor | None = None
) -> EntityMarks:
    """Mark the entities of each row of tags.

    Args:
        rules: `mark_rules` of the tag names.
        tags_BT: tag ids int [B, T]; -1 = no tag, which reads as O.
        segments_BT: ids int [B, T]; no entity crosses from one segment into the next. None = each
            row is one segment.

    Returns:
        The marks. The row `O B-PER I-PER B-LOC` holds two entities:

        >>> rules = mark_rules(["O", "B-PER", "I-PER", "B-LOC"])
        >>> marks = mark_entities(rules, tf.constant([[0, 1, 2, 3]]))
        >>> marks.begins.numpy().astype(int).tolist()
        [[0, 1, 0, 1]]
        >>> marks.ends.numpy().astype(int).tolist()
        [[0, 0, 1, 1]]
        >>> marks.type.numpy().tolist()
        [[-1, 0, 0, 1]]
    """
    outside = len(rules.type_of_tag) - 1
    tags_BT = tf.cast(tags_BT, tf.int32)
    tags_BT = tf.where(tags_BT < 0, outside, tags_BT)
    left_BT = _left_neighbours(tags_BT, outside)
    right_BT = _right_neighbours(tags_BT, outside)
    if segments_BT is not None:
        left_segments_BT = _left_neighbours(segments_BT, -1)
        right_segments_BT = _right_neighbours(segments_BT, -1)
        same_left_BT = left_segments_BT == segments_BT
        same_right_BT = right_segments_BT == segments_BT
        left_BT = tf.where(same_left_BT, left_BT, outside)
        right_BT = tf.where(same_right_BT, right_BT, outside)
    begins_BT = _look_up(rules.begins, left_BT, tags_BT)
    ends_BT = _look_up(rules.ends, tags_BT, right_BT)
    type_BT = tf.gather(rules.type_of_tag, tags_BT)
    return EntityMarks(begins_BT, ends_BT, type_BT)


def left_align(values_BT: tf.Tensor, keep_BT: tf.Tensor) -> tf.Tensor:
    """Move each row's kept values to its front, in order, and fill up with -1.

    This is a scatter of static shape in place of `tf.boolean_mask`, which neither XLA nor a TPU
    compiles.

    Args:
        values_BT: int [B, T], not below -1.
        keep_BT: bool [B, T].

    Returns:
        int32 [B, T].

        >>> keep = tf.constant([[True, False, True, False], [False, False, True, True]])
        >>> left_align(tf.constant([[5, 6, 7, 8], [1, 2, 3, 4]]), keep).numpy().tolist()
        [[5, 7, -1, -1], [3, 4, -1, -1]]
    """
    shape = tf.shape(values_BT)
    kept_BT = tf.cast(keep_BT, tf.int32)
    target_BT = tf.cumsum(kept_BT, axis=1, exclusive=True)
    target_BT += _row_starts(shape)
    # A dropped value shares its target with the next kept one and so must add 0; kept values are
    # raised by 1 for the time of the sum, so that 0 stands for "nothing", which becomes -1.
    raised_BT = tf.cast(values_BT, tf.int32) + 1
    raised_BT = tf.where(keep_BT, raised_BT, 0)
    aligned = _sum_by_target(raised_BT, target_BT)
    return tf.reshape(aligned, shape) - 1


def count_entities(
    rules: MarkRules, true_BT, predicted_BT, labelled_BT, segments_BT=None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Count the entities of each type in gold tags, in predictions, and in both alike.

    Args:
        rules: `mark_rules` of the tag names, with N types.
        true_BT, predicted_BT: tag ids int [B, T], -1 = no tag.
        labelled_BT: bool [B, T]; other positions are skipped as if absent.
        segments_BT: as in `mark_entities`.

    Returns:
        Gold, predicted and correct entities, three times int32 [N]. Here PER is right, LOC missed:

        >>> rules = mark_rules(["O", "B-PER", "I-PER", "B-LOC"])
        >>> true, predicted = tf.constant([[1, 2, 0, 3]]), tf.constant([[1, 2, 0, 0]])
        >>> counts = count_entities(rules, true, predicted, tf.ones([1, 4], tf.bool))
        >>> [count.numpy().tolist() for count in counts]
        [[1, 1], [1, 0], [1, 0]]
    """
    if segments_BT is not None:
        segments_BT = left_align(segments_BT, labelled_BT)
    true = mark_entities(rules, left_align(true_BT, labelled_BT), segments_BT)
    predicted = mark_entities(rules, left_align(predicted_BT, labelled_BT), segments_BT)
    same_begin_BT = true.begins & predicted.begins
    same_type_BT = true.type == predicted.type
    correct_BT = same_begin_BT & same_type_BT
    true_last_BT = _last_positions(true)
    predicted_last_BT = _last_positions(predicted)
    correct_BT &= true_last_BT == predicted_last_BT
    correct = true._replace(begins=correct_BT)
    count_true = _count_types(rules, true)
    count_predicted = _count_types(rules, predicted)
    count_correct = _count_types(rules, correct)
    return count_true, count_predicted, count_correct


def _last_positions(marks: EntityMarks) -> tf.Tensor:
    """Give each entity's last position at its first: int32 [B, T], of no meaning elsewhere."""
    begins_BT = tf.cast(marks.begins, tf.int32)
    shape = tf.shape(begins_BT)
    number_BT = tf.cumsum(begins_BT, axis=1) - 1
    # A row that opens with O has no entity yet: its number points before the row.
    number_BT += _row_starts(shape)
    number_BT = tf.maximum(number_BT, 0)
    position_BT = tf.where(marks.ends, tf.range(shape[1]), 0)
    last = _sum_by_target(position_BT, number_BT)
    return tf.gather(last, number_BT)


def _sum_by_target(values_BT: tf.Tensor, target_BT: tf.Tensor) -> tf.Tensor:
    """Add up values of the same target, which numbers the positions row by row: int32 [B * T]."""
    positions = tf.size(values_BT)
    return tf.math.unsorted_segment_sum(values_BT, target_BT, positions)


def _count_types(rules: MarkRules, marks: EntityMarks) -> tf.Tensor:
    """Count the entities of each type, by where they begin: int32 [N]."""
    rest = len(rules.types)
    slot_BT = tf.where(marks.begins, marks.type, rest)
    counts = tf.math.unsorted_segment_sum(tf.ones_like(slot_BT), slot_BT, rest + 1)
    return counts[:rest]


def _row_starts(shape: tf.Tensor) -> tf.Tensor:
    """Number the first position of each of B rows of T in one line: int32 [2] -> int32 [B, 1]."""
    row_B = tf.range(shape[0])
    return row_B[:, None] * shape[1]


def _left_neighbours(values_BT: tf.Tensor, edge: int) -> tf.Tensor:
    """Shift each row to the right by one; `edge` stands left of the first position."""
    padded = tf.pad(values_BT, [[0, 0], [1, 0]], constant_values=edge)
    return padded[:, :-1]


def _right_neighbours(values_BT: tf.Tensor, edge: int) -> tf.Tensor:
    """Shift each row to the left by one; `edge` stands right of the last position."""
    padded = tf.pad(values_BT, [[0, 0], [0, 1]], constant_values=edge)
    return padded[:, 1:]


def _look_up(table: np.ndarray, left_BT: tf.Tensor, right_BT: tf.Tensor) -> tf.Tensor:
    """Read a table of pairs of tags for each position: bool [B, T]."""
    pair_BT = left_BT * len(table) + right_BT
    pairs = table.reshape(-1)
    return tf.gather(pairs, pair_BT)


def _split(tag: str) -> tuple[str, str | None]:
    """Split B-PER into (B, PER) and O into (O, None); a bare B has the type _, as in seqeval."""
    prefix, _, name = tag.partition("-")
    if tag == "O":
        return "O", None
    if prefix not in {"B", "I", "E", "S"}:
        raise ConfigError(f"expected a tag like O, B-PER, I-PER, E-PER or S-PER, got {tag!r}")
    return prefix, name or "_"


def _pairs(marked: set[str], prefixes: Sequence[str]) -> np.ndarray:
    """Tabulate which pairs of tags are marked by their prefixes: bool [K + 1, K + 1]."""
    rows = [[left + right in marked for right in prefixes] for left in prefixes]
    return np.array(rows)
