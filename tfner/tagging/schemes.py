"""Detect, read, repair and write tag schemes; know a model's tags and which may follow which.

Every scheme is read by one rule, that of seqeval's default mode. conlleval has the same rule for B
and I, and does not know the E and S of BIOES. What differs between schemes is only which step from
one tag to the next is legal, and that stands once, in `is_legal`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple, get_args

import numpy as np

from tfner.exceptions import ConfigError
from tfner.safeio.printable import show

Scheme = Literal["IO", "IOB1", "IOB2", "BIOES", "BILOU"]
# What a model's tags may be; taggers learn IOB2 and BIOES, others come with checkpoints.
LabelScheme = Literal["IO", "IOB1", "IOB2", "BIOES"]
LABEL_SCHEMES = get_args(LabelScheme)
Span = tuple[int, int, str]  # first unit, one past the last unit, label
Step = tuple[str, str, bool]  # prefix before, prefix after, same label

# A tie between schemes goes to the earlier one.
PREFIXES: dict[Scheme, str] = {
    "IOB2": "BI",
    "IO": "I",
    "IOB1": "BI",
    "BIOES": "BIES",
    "BILOU": "BILU",
}
AS_BIOES = {"O": "O", "B": "B", "I": "I", "E": "E", "S": "S", "L": "E", "U": "S"}


class Repair(NamedTuple):
    """Describe an illegal tag that was read all the same, and its position."""

    position: int
    detail: str


@lru_cache(maxsize=4096)
def split_tag(tag: str) -> tuple[str, str]:
    """Split a tag into its prefix and its type.

        >>> split_tag("B-creative-work"), split_tag("O")
        (('B', 'creative-work'), ('O', ''))

    Raises:
        ValueError: neither O nor one of B, I, E, S, L, U with a hyphen and a type that is more than
            white space.
    """
    if tag == "O":
        return "O", ""
    label = tag[2:]
    if label and tag[0] in "BIESLU" and tag[1] == "-" and not label.isspace():
        return tag[0], label
    expected = "O or a prefix of B, I, E, S, L, U with a type, such as B-PER"
    raise ValueError(f"expected {expected}, got {show(tag)}")


def is_tag(text: str) -> bool:
    """Tell whether `split_tag` can read it."""
    try:
        split_tag(text)
    except ValueError:
        return False
    return True


def is_legal(scheme: Scheme, before: str, after: str, same_label: bool) -> bool:
    """Tell whether a tag may follow another, by prefix; both ends of a sequence count as O."""
    inside = before in "BI"
    continues = inside and same_label
    if scheme == "IO":
        return True
    if scheme == "IOB1":  # B only parts an entity from the one of the same type right before it
        return after != "B" or continues
    if scheme == "IOB2":
        return after != "I" or continues
    if inside:
        return after in "IE" and same_label
    return after in "OBS"


def detect_scheme(sequences: Iterable[Sequence[str]]) -> Scheme:
    """Find the scheme with the fewest breaches; sequences may be a generator and are read once.

    A few illegal tags do not change the answer: each breach counts against the scheme it breaks,
    and a prefix that the scheme does not have counts twice. Sequences of O alone are IOB2, of O
    and I alone IO.

        >>> detect_scheme([["S-PER", "O"], ["B-LOC", "E-LOC"]])
        'BIOES'

    Raises:
        ValueError: a tag that no scheme has.
    """
    steps: Counter[Step] = Counter()
    for tags in sequences:
        steps.update(steps_of(tags))

    def breaches(scheme: Scheme) -> int:
        return sum(count * breach(scheme, step) for step, count in steps.items())

    return min(PREFIXES, key=breaches)


def steps_of(tags: Sequence[str]) -> Iterator[Step]:
    """Give each step from tag to tag, the one from the last tag out of the sequence included."""
    before, label = "O", ""
    for tag in (*tags, "O"):
        prefix, next_label = split_tag(tag)
        same_label = label == next_label
        yield before, prefix, same_label
        before = prefix
        label = next_label


def breach(scheme: Scheme, step: Step) -> int:
    """Weigh a step: 0 if it is legal, 2 if the scheme does not have the prefix, else 1."""
    before, after, same_label = step
    if after != "O" and after not in PREFIXES[scheme]:
        return 2
    before = AS_BIOES[before]
    after = AS_BIOES[after]
    return int(not is_legal(scheme, before, after, same_label))


def read_spans(tags: Sequence[str], scheme: Scheme) -> tuple[list[Span], list[Repair]]:
    """Read tags as seqeval's default mode reads them, legal or not; L and U are read as E and S.

        >>> read_spans(["I-PER", "I-PER", "O", "B-LOC"], "IOB2")[0]
        [(0, 2, 'PER'), (3, 4, 'LOC')]

    Returns:
        The spans in order, and a Repair for every tag that is illegal in `scheme` or has a prefix
        of another scheme.

    Raises:
        ValueError: a tag without a type, or with a prefix that no scheme has.
    """
    spans: list[Span] = []
    repairs: list[Repair] = []
    first = 0
    before, label = "O", ""
    for position, tag in enumerate((*tags, "O")):
        prefix, next_label = split_tag(tag)
        if breach(scheme, (before, prefix, label == next_label)):
            repairs.append(describe_breach(tags, position, scheme))
        prefix = AS_BIOES[prefix]
        if not (prefix in "IE" and before in "BI" and label == next_label):
            if before != "O":
                spans.append((first, position, label))
            first = position
        before = prefix
        label = next_label
    return spans, repairs


def describe_breach(tags: Sequence[str], position: int, scheme: Scheme) -> Repair:
    """Say what is wrong with the step to a position."""
    if position == len(tags):
        return Repair(position - 1, f"{tags[-1]} at the end")
    tag = tags[position]
    if tag[0] not in PREFIXES[scheme] and tag != "O":
        return Repair(position, f"{tag} in {scheme}")
    if position == 0:
        return Repair(position, f"{tag} at the beginning")
    return Repair(position, f"{tag} after {tags[position - 1]}")


def write_tags(spans: Iterable[Span], length: int, scheme: Scheme = "IOB2") -> list[str]:
    """Write the tags of `length` units with these spans; `read_spans` gives the spans back.

    IO cannot part two adjacent entities of one type: read back, they are one.

        >>> write_tags([(0, 2, "PER"), (3, 4, "LOC")], 4)
        ['B-PER', 'I-PER', 'O', 'B-LOC']

    Raises:
        ValueError: spans overlap, are empty or stand outside the sequence.
    """
    tags = ["O"] * length
    end_before, label_before = 0, None
    for first, end, label in sorted(spans):
        if not end_before <= first < end <= length:
            expected = f"spans in 0..{length} that are not empty and do not overlap"
            raise ValueError(f"expected {expected}, got {(first, end, label)}")
        adjacent = first == end_before and label == label_before
        prefixes = span_prefixes(end - first, scheme, adjacent)
        tags[first:end] = [f"{prefix}-{label}" for prefix in prefixes]
        end_before = end
        label_before = label
    return tags


def span_prefixes(length: int, scheme: Scheme, adjacent: bool) -> str:
    """Give the prefixes of one span; `adjacent` if it follows one of its own type without a gap."""
    if scheme == "IO" or (scheme == "IOB1" and not adjacent):
        return "I" * length
    if scheme in ("IOB1", "IOB2"):
        return "B".ljust(length, "I")
    single, last = ("S", "E") if scheme == "BIOES" else ("U", "L")
    return single if length == 1 else "B" + "I" * (length - 2) + last


@dataclass(frozen=True)
class LabelSet:
    """List the K tags of a model: O, then the scheme's prefixes for each type, in their order.

        >>> LabelSet(("LOC", "PER")).tags
        ('O', 'B-LOC', 'I-LOC', 'B-PER', 'I-PER')

    Raises:
        ConfigError: no types, an empty or a repeated one, or another scheme than IO, IOB1, IOB2
            and BIOES.
    """

    types: tuple[str, ...]
    scheme: LabelScheme = "IOB2"

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", tuple(self.types))
        if self.scheme not in LABEL_SCHEMES:
            key = "tag scheme of a label set"
            expected = f"expected one of {', '.join(LABEL_SCHEMES)}"
            raise ConfigError(f"{key}: {expected}, got {self.scheme!r}")
        if not self.types or not all(name.strip() for name in self.types):
            expected = "one or more names, none of them empty"
            raise ConfigError(f"entity types: expected {expected}, got {list(self.types)}")
        repeated = [name for name, count in Counter(self.types).items() if count > 1]
        if repeated:
            names = ", ".join(repeated)
            problem = "each may stand once, these stand more often"
            raise ConfigError(f"entity types: {problem}: {names}")

    def __len__(self) -> int:
        return len(self.tags)

    def id(self, tag: str) -> int:
        """Look up the id of a tag; KeyError if it is none of this set's."""
        return self._ids[tag]

    def tag(self, id: int) -> str:
        """Look up a tag by its id in 0..K-1; IndexError outside, for -1 too: no prediction."""
        if id < 0:
            raise IndexError(f"expected a tag id in 0..{len(self) - 1}, got {id}")
        return self.tags[id]

    @cached_property
    def tags(self) -> tuple[str, ...]:
        prefixes = PREFIXES[self.scheme]
        return "O", *(f"{prefix}-{name}" for name in self.types for prefix in prefixes)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {tag: id for id, tag in enumerate(self.tags)}

    @cached_property
    def allowed_first(self) -> np.ndarray:
        """Mark the tags that may begin a sequence: bool [K]."""
        return _frozen([self._may_follow("O", tag) for tag in self.tags])

    @cached_property
    def allowed_next(self) -> np.ndarray:
        """Mark at [i, j] that tag j may follow tag i: bool [K, K]."""
        tags = self.tags
        return _frozen([[self._may_follow(before, tag) for tag in tags] for before in tags])

    @cached_property
    def allowed_last(self) -> np.ndarray:
        """Mark the tags that may end a sequence: bool [K]."""
        return _frozen([self._may_follow(tag, "O") for tag in self.tags])

    @property
    def allowed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give which tags may begin, follow and end: allowed_first, allowed_next, allowed_last."""
        return self.allowed_first, self.allowed_next, self.allowed_last

    def _may_follow(self, tag: str, following: str) -> bool:
        before, label = split_tag(tag)
        after, next_label = split_tag(following)
        return is_legal(self.scheme, before, after, label == next_label)


def _frozen(values: list) -> np.ndarray:
    array = np.array(values, dtype=bool)
    array.flags.writeable = False  # shared by everyone who asks
    return array
