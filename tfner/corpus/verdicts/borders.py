"""Judge the borders of entities: those on blanks, and those on punctuation that is not theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from unicodedata import category

from tfner.corpus.ledger import Ledger
from tfner.corpus.verdicts.dropped import entered
from tfner.corpus.verdicts.verdict import (
    Case,
    Kind,
    Splits,
    Verdict,
    add_location,
    count_of,
    grade,
    locate,
    marked_texts,
    quote,
)
from tfner.tagging.borders import trim_span

PAIRS = dict(zip("([{«「『（《", ")]}»」』）》", strict=True))
OPENERS = {closing: opening for opening, closing in PAIRS.items()}
DOUBLE_QUOTES = '"“”„'  # which of them opens and which closes differs by language
FOREIGN_ENDS = frozenset(",;:、，；：،؛")  # no name ends so
# Names do, `Yahoo!` and `Mr.`; they are wrong where the name is mostly marked without.
SENTENCE_ENDS = frozenset(".!?。！？।")
OWN_STARTS = frozenset(DOUBLE_QUOTES).union(PAIRS, "@#&$£€.%¡¿*/\\'’`_-–—~+§")
MANY = 0.01  # of the entities
BEGIN = "entity begins or ends", "entities begin or end"
BLANKS = Kind(
    "borders on blanks",
    "hint",
    "Move the borders; they are trimmed here, but other programs count them.",
)
PUNCTUATION = Kind(
    "borders on punctuation",
    "warning",
    "Move the borders: a model learns them, and each is an error on what is right.",
)


def judge_borders(splits: Splits, ledgers: Mapping[str, Ledger]) -> Iterator[Verdict]:
    """Find entities that begin or end with blanks, and with punctuation that is not theirs.

    Args:
        ledgers: by split; borders that a reader trimmed are in them.
    """
    yield from judge_blanks(splits, ledgers)
    yield from judge_punctuation(splits)


def judge_blanks(splits: Splits, ledgers: Mapping[str, Ledger]) -> Iterator[Verdict]:
    """Find entities with blanks at a border, whether or not a reader has trimmed them."""
    cases = entered(ledgers, "trimmed_border")
    for _, where, document in locate(splits):
        for entity, text in marked_texts(document):
            borders = entity.start, entity.end
            trimmed = trim_span(document.text, *borders, document.words)
            if trimmed != borders:
                what = f"{entity.label} {quote(text)}"
                cases.append(Case(what, (where,)))
    if cases:
        begin = count_of(len(cases), *BEGIN)
        yield BLANKS.verdict(f"{begin} with a blank or a character without a sign", cases)


def judge_punctuation(splits: Splits) -> Iterator[Verdict]:
    """Find entities with punctuation at a border that belongs to the sentence."""
    texts = Counter()
    for _, _, document in locate(splits):
        texts.update(text for _, text in marked_texts(document))
    where: dict[str, list[str]] = {text: [] for text in texts if is_wrong(text, texts)}
    if not where:
        return
    for _, name, document in locate(splits):
        for _, text in marked_texts(document):
            if text in where:
                add_location(where[text], name)
    entities = sum(texts[text] for text in where)
    frequent = sorted(where, key=lambda text: (-texts[text], text))
    cases = [Case(quote(text), tuple(where[text])) for text in frequent]
    begin = count_of(entities, *BEGIN)
    strings = count_of(len(where), "string")
    finding = f"{begin} with punctuation of the sentence, {strings}"
    severity = grade(entities, texts.total(), MANY)
    yield PUNCTUATION.verdict(finding, cases, severity=severity)


def is_wrong(text: str, marked: Mapping[str, int]) -> bool:
    """Tell whether a border of an entity is punctuation that belongs to the sentence around it.

    Brackets and quotes belong to it where the other one of the pair is missing.

        >>> marked = {"Oslo": 3, "U.S.": 2}
        >>> [is_wrong(text, marked) for text in ("Oslo,", "Oslo.", "(Oslo", ", Oslo")]
        [True, True, True, True]
        >>> [is_wrong(text, marked) for text in ("U.S.", "Bonn (Rhine)", "@mara", "Yahoo!", ":)")]
        [False, False, False, False, False]

    Args:
        marked: all strings that are marked, as in a Counter.
    """
    if not any(map(str.isalnum, text)):
        return False
    first = text[0]
    last = text[-1]
    if last in FOREIGN_ENDS or lacks_partner(text, first) or lacks_partner(text, last):
        return True
    if last in SENTENCE_ENDS:
        bare = text[:-1].rstrip()
        is_rare = marked.get(bare, 0) > marked.get(text, 0)
        if is_rare and last not in bare:
            return True
    return category(first) == "Po" and first not in OWN_STARTS


def lacks_partner(text: str, character: str) -> bool:
    """Tell whether a bracket or quote has no partner in a text.

    >>> lacks_partner("(a) b)", ")"), lacks_partner("a)", ")"), lacks_partner("'90s", "'")
    (True, True, False)
    """
    if character in DOUBLE_QUOTES:
        quotes = sum(map(text.count, DOUBLE_QUOTES))
        return quotes % 2 == 1
    opening = OPENERS.get(character, character)
    closing = PAIRS.get(opening)
    if closing is None:
        return False
    opened = text.count(opening)
    return opened != text.count(closing)
