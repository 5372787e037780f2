"""Judge a vocabulary by a corpus: scripts and characters it lacks, words that it cuts to pieces."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from unicodedata import category, name

from tfner.corpus.statistics import TokenStats
from tfner.corpus.verdicts.verdict import (
    LOCATIONS_KEPT,
    Case,
    Kind,
    Splits,
    Verdict,
    add_location,
    count_of,
    grade,
    locate,
    marked_texts,
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
SCRIPTS_NAMED = 3
OTHER = "OTHER"
CLASSES = {"S": "SYMBOL", "P": "PUNCTUATION", "N": "NUMBER"}
UNKNOWN = Kind(
    "unknown characters",
    "warning",
    "Choose an encoder whose vocabulary has them: to it they are all the same.",
)
CUT_UP = Kind(
    "pieces per word",
    "warning",
    "It was made for other text: choose an encoder of this language or domain.",
)


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
    characters = 0
    entities = Counter()  # by whether a character is unknown
    examples: dict[str, list[str]] = {character: [] for character in unknown}
    for _, where, document in locate(splits):
        shown = "".join(document.text.split())
        characters += len(shown)
        for character in unknown.keys() & set(shown):
            add_location(examples[character], where)
        for _, text in marked_texts(document):
            is_known = unknown.keys().isdisjoint(text)
            entities[is_known] += 1
    frequent = sorted(unknown, key=lambda character: (-unknown[character], character))
    cases = []
    for character in frequent:
        what = f"{printable(character)} U+{ord(character):04X} {unknown[character]:,}"
        where = examples[character]
        cases.append(Case(what, tuple(where)))
    kinds = count_of(len(unknown), "character")
    times = count_of(unknown.total(), "time")
    marked = f"{entities[False]:,} of {count_of(entities.total(), 'entity', 'entities')}"
    stand = f"{times} ({count_scripts(unknown)}), and in {marked}"
    finding = f"The vocabulary does not know {kinds}, which stand {stand}"
    severity = grade(unknown.total(), characters, MANY_UNKNOWN)
    if entities[False] > MANY_ENTITIES * entities.total():
        severity = "warning"
    return UNKNOWN.verdict(finding, cases, severity=severity)


def count_scripts(characters: Counter[str]) -> str:
    """Say which scripts some characters are mostly of.

    >>> count_scripts(Counter({"я": 2, "ю": 1, "☃": 1}))
    'cyrillic 3, symbol 1'
    """
    scripts = Counter()
    for character, count in characters.items():
        script = script_of(character)
        scripts[script] += count
    frequent = scripts.most_common(SCRIPTS_NAMED)
    return ", ".join(f"{script.lower()} {count:,}" for script, count in frequent)


@dataclass
class ScriptLengths:
    """Count the words and pieces of the documents of a script."""

    words: int = 0
    pieces: int = 0
    documents: list[tuple[float, str]] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Divide pieces by words."""
        return self.pieces / self.words

    @property
    def is_cut_up(self) -> bool:
        """Tell whether there are words enough to say that a word has many pieces."""
        return self.words >= FEW_WORDS and self.ratio >= MANY_PIECES

    def add(self, where: str, words: int, pieces: int) -> None:
        """Count a document; one of a few words is no example."""
        self.words += words
        self.pieces += pieces
        if words >= SHORTEST:
            ratio = pieces / words
            self.documents.append((ratio, where))


def judge_pieces(splits: Splits, token_stats: Mapping[str, TokenStats]) -> Iterator[Verdict]:
    """Find scripts whose words a vocabulary cuts into many pieces."""
    scripts = lengths_by_script(splits, token_stats)
    cut_up = {script: lengths for script, lengths in scripts.items() if lengths.is_cut_up}
    if cut_up:
        found = cut_up.values()
        words = sum(lengths.words for lengths in found)
        pieces = sum(lengths.pieces for lengths in found)
        of_words = f"{count_of(words, 'word')} of {count_of(len(cut_up), 'script')}"
        finding = f"The tokenizer makes {pieces / words:.1f} pieces of a word, in {of_words}"
        worst_first = sorted(cut_up, key=lambda script: -cut_up[script].ratio)
        cases = [case_of(script, cut_up[script]) for script in worst_first]
        yield CUT_UP.verdict(finding, cases)


def case_of(script: str, lengths: ScriptLengths) -> Case:
    """Say how many pieces a word of a script has, and in which documents it has most."""
    words = count_of(lengths.words, "word")
    worst_first = sorted(lengths.documents, reverse=True)
    shown = worst_first[:LOCATIONS_KEPT]
    where = [name for _, name in shown]
    return Case(f"{script.lower()} {lengths.ratio:.2f} over {words}", tuple(where))


def lengths_by_script(
    splits: Splits, token_stats: Mapping[str, TokenStats]
) -> dict[str, ScriptLengths]:
    """Count words and pieces by the script of the document, but for scripts without spaces."""
    scripts: dict[str, ScriptLengths] = defaultdict(ScriptLengths)
    lengths = {split: paired_lengths(stats) for split, stats in token_stats.items()}
    none = iter(())
    for split, where, document in locate(splits):
        counted = next(lengths.get(split, none), None)
        script = dominant_script(document.text)
        if counted and script and script not in UNSPACED:
            words, pieces = counted
            scripts[script].add(where, words, pieces)
    return scripts


def paired_lengths(stats: TokenStats) -> Iterator[tuple[int, int]]:
    """Pair the words and pieces of each document; nothing where they are not known."""
    if stats.units is None or stats.pieces is None:
        return iter(())
    return zip(stats.units, stats.pieces, strict=True)


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
            script = script_of(character)
            scripts[script] += count
    frequent = scripts.most_common(1)
    return frequent[0][0] if frequent else None


@lru_cache(maxsize=1 << 14)
def script_of(character: str) -> str:
    """Name the script of a letter by the first word of its Unicode name, else what it is.

    >>> [script_of(character) for character in "aя東ア☃"]
    ['LATIN', 'CYRILLIC', 'CJK', 'KATAKANA', 'SYMBOL']
    """
    kind = category(character)
    if kind[0] in "LM":
        words = name(character, OTHER).split()
        return words[0]
    return CLASSES.get(kind[0], OTHER)
