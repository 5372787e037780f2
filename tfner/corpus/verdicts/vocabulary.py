"""Judge a vocabulary by a corpus: scripts and characters it lacks, words that it cuts to pieces."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from unicodedata import category, name

from tfner.corpus.statistics import TokenStats
from tfner.corpus.verdicts.verdict import (
    Case,
    Severity,
    Splits,
    Verdict,
    add_location,
    count_of,
    first_cases,
    locate,
)
from tfner.safeio.printable import printable

# Pieces a word. An English vocabulary makes 1.1 to 1.7 of an English word, tweets included, and 2.0
# to 2.8 of a word of a language that it was not made for: Danish, German, Finnish.
MANY_PIECES = 1.9
FEW_WORDS = 100  # of a script; fewer say nothing
SHORTEST = 5  # words of a document that is an example
# Whose words are not separated by spaces, so that most vocabularies cut them into characters.
UNSPACED = frozenset(("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR"))
MANY_UNKNOWN = 0.001  # of the characters that are not blank
MANY_ENTITIES = 0.01  # of the entities


def judge_vocabulary(splits: Splits, token_stats: Mapping[str, TokenStats]) -> Iterator[Verdict]:
    """Find characters that a vocabulary does not know, and scripts whose words it cuts up.

    Args:
        token_stats: by split; one without counts of pieces says nothing.
    """
    unknown = Counter()
    for stats in token_stats.values():
        unknown.update(stats.unknown_characters)
    if unknown:
        yield judge_unknown(splits, unknown)
    yield from judge_pieces(splits, token_stats)


def judge_unknown(splits: Splits, unknown: Counter[str]) -> Verdict:
    """Count unknown characters by script, and the entities that hold one."""
    characters, entities, unknown_entities = 0, 0, 0
    examples: dict[str, list[str]] = {character: [] for character in unknown}
    for _, where, document in locate(splits):
        characters += len("".join(document.text.split()))
        entities += len(document.entities)
        for character in unknown.keys() & set(document.text):
            add_location(examples[character], where)
        spans = ((entity.start, entity.end) for entity in document.entities)
        marked = [document.text[start:end] for start, end in spans]
        unknown_entities += sum(not unknown.keys().isdisjoint(text) for text in marked)
    frequent = sorted(unknown.items(), key=lambda item: (-item[1], item[0]))
    scripts = Counter()
    for character, count in frequent:
        scripts[script_of(character)] += count
    listed = ", ".join(f"{script.lower()} {count:,}" for script, count in scripts.most_common(3))
    held = f"{unknown_entities:,} of {count_of(entities, 'entity', 'entities')}"
    many = unknown_entities > MANY_ENTITIES * entities
    severity: Severity = "hint"
    if many or unknown.total() > MANY_UNKNOWN * characters:
        severity = "warning"
    kinds = count_of(len(unknown), "character")
    times = f"{kinds}, which stand {count_of(unknown.total(), 'time')} ({listed})"
    return Verdict(
        name="unknown characters",
        severity=severity,
        finding=f"The vocabulary does not know {times} and in {held}",
        advice="Choose an encoder whose vocabulary has them: to it they are all the same.",
        count=len(unknown),
        cases=first_cases(
            Case(f"{printable(each)} U+{ord(each):04X} {count:,}", tuple(examples[each]))
            for each, count in frequent
        ),
    )


def judge_pieces(splits: Splits, token_stats: Mapping[str, TokenStats]) -> Iterator[Verdict]:
    """Find scripts whose words a vocabulary cuts into many pieces."""
    words, pieces = Counter(), Counter()
    ratios: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for where, script, units, own_pieces in lengths_by_script(splits, token_stats):
        words[script] += units
        pieces[script] += own_pieces
        if units >= SHORTEST:
            ratios[script].append((own_pieces / units, where))
    enough = [script for script in words if words[script] >= FEW_WORDS and script not in UNSPACED]
    means = {script: pieces[script] / words[script] for script in enough}
    cut_up = sorted((script for script in means if means[script] >= MANY_PIECES), key=means.get)
    if not cut_up:
        return
    cut_up.reverse()
    cases = []
    for script in cut_up:
        worst = sorted(ratios[script], reverse=True)[:3]
        counted = f"{script.lower()} {means[script]:.2f} over {count_of(words[script], 'word')}"
        cases.append(Case(counted, tuple(where for _, where in worst)))
    total = sum(words[script] for script in cut_up)
    mean = sum(pieces[script] for script in cut_up) / total
    of_words = f"{count_of(total, 'word')} of {count_of(len(cut_up), 'script')}"
    yield Verdict(
        name="pieces per word",
        severity="warning",
        finding=f"The tokenizer makes {mean:.1f} pieces of a word, in {of_words}",
        advice="It was made for other text: choose an encoder of this language or domain.",
        count=len(cut_up),
        cases=first_cases(cases),
    )


def lengths_by_script(
    splits: Splits, token_stats: Mapping[str, TokenStats]
) -> Iterator[tuple[str, str, int, int]]:
    """Give each document's name, script, number of words and number of pieces, where counted."""
    counted = {split: documents for split, documents in splits.items() if split in token_stats}
    numbers: dict[str, Iterator[tuple[int, int]]] = {}
    for split in counted:
        numbers[split] = zip_lengths(token_stats[split])
    for split, where, document in locate(splits):
        lengths = next(numbers[split], None) if split in numbers else None
        script = dominant_script(document.text) if lengths else None
        if lengths and script:
            yield where, script, *lengths


def zip_lengths(stats: TokenStats) -> Iterator[tuple[int, int]]:
    """Pair the words and pieces of each document; nothing where they are not known."""
    units: Sequence[int] = () if stats.units is None else stats.units
    pieces: Sequence[int] = () if stats.pieces is None else stats.pieces
    return zip(units, pieces, strict=False)


def dominant_script(text: str) -> str | None:
    """Name the script of most letters of a text; None where there is no letter.

    >>> dominant_script("Москва, 2 km"), dominant_script("12:30")
    ('CYRILLIC', None)
    """
    if text.isascii():
        return "LATIN" if any(map(str.isalpha, text)) else None
    scripts = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            scripts[script_of(character)] += count
    return max(scripts, key=lambda script: scripts[script]) if scripts else None


@lru_cache(maxsize=1 << 14)
def script_of(character: str) -> str:
    """Name the script of a letter by the first word of its Unicode name, else what it is.

    >>> [script_of(character) for character in "aя東ア☃"]
    ['LATIN', 'CYRILLIC', 'CJK', 'KATAKANA', 'SYMBOL']
    """
    kind = category(character)
    if kind[0] in "LM":
        return name(character, "OTHER").split()[0]
    return {"S": "SYMBOL", "P": "PUNCTUATION", "N": "NUMBER"}.get(kind[0], "OTHER")
