"""Read the names that a fine-tuned head gives its outputs, and find which output is which tag.

`id2label` of a checkpoint is free text: tags of any scheme in any order, types without a prefix, or
no names at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from tfner.exceptions import ConfigError, ModelError
from tfner.safeio.printable import show
from tfner.tagging.schemes import AS_BIOES, PREFIXES, LabelScheme, LabelSet, Scheme

LEFT_OUT = "-"  # in place of a name: an output that is no tag and never predicted
# Names that say nothing (transformers' own, by number), and outputs for pieces without a label.
NO_TAG = re.compile(r"LABEL_\d+|-100|X|\[?(PAD|CLS|SEP|UNK|MASK)\]?|<[^>]*>|\s*", re.IGNORECASE)
PREFIXED = re.compile(r"([BIESLU])[-_](.*\S.*)", re.DOTALL)


class HeadOutputs(NamedTuple):
    """Say what the outputs of a head are.

    labels: the K tags.
    outputs: the number of each tag's output; None where the head has none, so that the tag is never
        predicted.
    """

    labels: LabelSet
    outputs: tuple[int | None, ...]


def read_outputs(
    names: Sequence[str], scheme: Scheme | None = None, where: str = "labels"
) -> HeadOutputs:
    """Read the names of a head's outputs, in their order.

    Without a scheme it is found by the prefixes: B and I are IOB2, I alone or no prefix at all is
    IO, E or S is BIOES, L or U is BILOU, which becomes BIOES.

        >>> read_outputs(["I-PER", "O", "B-PER"]).outputs
        (1, 2, 0)
        >>> read_outputs(["O", "PER", "LOC"]).labels.tags
        ('O', 'I-PER', 'I-LOC')

    Args:
        names: those of `id2label`, or given in their place; `-` leaves an output out.
        scheme: what the tags mean; IOB1 cannot be told from IOB2 by its names.
        where: the names come from, for messages.

    Raises:
        ConfigError: names say nothing, are none of one scheme, stand twice, or O is missing.
    """
    check_names(names, where)
    prefixes, types = split_names(names, where)
    known = check_scheme(prefixes, scheme, where)
    tags = [join(prefix, name, known) for prefix, name in zip(prefixes, types, strict=True)]
    repeated = [tag for tag, count in Counter(tags).items() if count > 1 and tag != LEFT_OUT]
    if repeated:
        raise ConfigError(f"{where}: each may stand once, these stand more often: {repeated}")
    found = dict.fromkeys(types)
    found.pop("")
    labels = LabelSet(tuple(found), known)
    number = {tag: output for output, tag in enumerate(tags)}
    outputs = map(number.get, labels.tags)
    return HeadOutputs(labels, tuple(outputs))


def check_names(names: Sequence[str], where: str) -> None:
    """Refuse names that say nothing, and a head without O.

    Raises:
        ConfigError: there are such; names the first and what to do.
    """
    for number, name in enumerate(names):
        if name != LEFT_OUT and NO_TAG.fullmatch(name):
            remedy = f"name all {len(names)} with --labels, in their order; - leaves one out"
            expected = "expected O, a type, or a tag such as B-PER"
            raise ConfigError(f"{where}: label {number}: {expected}, got {show(name)}; {remedy}")
    if "O" not in names:
        got = show(list(names))
        raise ConfigError(f"{where}: expected O among them, got {got}")


def split_names(names: Sequence[str], where: str = "labels") -> tuple[list[str], list[str]]:
    """Split names into prefixes and types; names without any prefix become types of IO.

        >>> split_names(["O", "B_PER", "I_PER"])
        (['O', 'B', 'I'], ['', 'PER', 'PER'])

    Raises:
        ConfigError: some have a prefix and some have not.
    """
    typed = [name for name in names if name not in ("O", LEFT_OUT)]
    bare = [name for name in typed if not PREFIXED.fullmatch(name)]
    if bare and len(bare) < len(typed):
        expected = "expected all types with a prefix of B, I, E, S, L, U or none"
        raise ConfigError(f"{where}: {expected}, got {show(typed)}; none: {show(bare)}")
    prefixes, types = [], []
    for name in names:
        if name in ("O", LEFT_OUT):
            prefix, kind = name, ""
        elif bare:
            prefix, kind = "I", name
        else:
            prefix, kind = name[0], name[2:]
        prefixes.append(prefix)
        types.append(kind)
    return prefixes, types


def check_scheme(prefixes: Sequence[str], asked: Scheme | None, where: str) -> LabelScheme:
    """Choose the scheme by the prefixes, or check the one that is asked for.

    Raises:
        ConfigError: the scheme has not all of the prefixes.
    """
    used = set(prefixes) - {"O", LEFT_OUT}
    candidates: list[Scheme] = list(PREFIXES) if asked is None else [asked]
    fitting: list[Scheme] = [scheme for scheme in candidates if used.issubset(PREFIXES[scheme])]
    if not fitting:
        expected = f"prefixes of {asked}" if asked else "the prefixes of one scheme"
        raise ConfigError(f"{where}: expected {expected}, got {', '.join(sorted(used))}")
    fewest = min(fitting, key=count_prefixes)
    return "BIOES" if fewest == "BILOU" else fewest


def count_prefixes(scheme: Scheme) -> int:
    return len(PREFIXES[scheme])


def names_in_order(config: dict[str, Any], where: str) -> list[str]:
    """List the names of `id2label` by their numbers.

        >>> names_in_order({"id2label": {"1": "B-PER", "0": "O"}}, "config.json")
        ['O', 'B-PER']

    Raises:
        ModelError: it is no mapping of 0, 1, … to texts.
    """
    named = config.get("id2label")
    expected = "expected id2label, a name for each of 0, 1, …"
    if not isinstance(named, dict) or not named:
        raise ModelError(f"{where}: {expected}, got {show(named)}")
    numbers = [str(number) for number in range(len(named))]
    if set(named) != set(numbers) or not all(isinstance(name, str) for name in named.values()):
        raise ModelError(f"{where}: {expected}, got {show(named)}")
    return [named[number] for number in numbers]


def join(prefix: str, name: str, scheme: LabelScheme) -> str:
    """Spell a tag as the scheme does.

    >>> join("L", "PER", "BIOES")
    'E-PER'
    """
    if scheme == "BIOES":
        prefix = AS_BIOES.get(prefix, prefix)
    return f"{prefix}-{name}" if name else prefix
