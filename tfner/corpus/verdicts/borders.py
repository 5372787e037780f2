"""Judge the borders of entities: those on blanks, and those on punctuation that is not theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from unicodedata import category

from tfner.corpus.ledger import Ledger
from tfner.corpus.verdicts.verdict import (
    Case,
    Splits,
    Verdict,
    add_location,
    count_of,
    first_cases,
    locate,
    quote,
)
from tfner.tagging.borders import trim_span

PAIRS = {
    "(": ")",
    "[": "]",
    "{": "}",
    "«": "»",
    "“": "”",
    "「": "」",
    "『": "』",
    "（": "）",
    "《": "》",
}
OPENERS = {closing: opening for opening, closing in PAIRS.items()}
QUOTES = "\"'`’"  # open and close, or stand for letters that are left out
FOREIGN_ENDS = frozenset(",;:、，；：،؛")  # no name ends so
# Names do, `Yahoo!` and `Mr.`; they are wrong where the name is mostly marked without.
SENTENCE_ENDS = frozenset(".!?。！？।")
OWN_STARTS = frozenset("@#&$£€.%¡¿*/\\'’`_-–—~+§")


def judge_borders(splits: Splits, ledgers: Mapping[str, Ledger]) -> Iterator[Verdict]:
    """Find entities that begin or end with blanks, and with punctuation that is not theirs.

    Args:
        ledgers: by split; borders that a reader trimmed are in them.
    """
    yield from judge_blanks(splits, ledgers)
    yield from judge_punctuation(splits)


def judge_blanks(splits: Splits, ledgers: Mapping[str, Ledger]) -> Iterator[Verdict]:
    """Find entities with blanks at a border, whether or not a reader has trimmed them."""
    cases = []
    for ledger in ledgers.values():
        entries = (entry for entry in ledger.entries if entry.reason == "trimmed_border")
        cases += [Case(entry.detail, (entry.where,)) for entry in entries]
    for _, where, document in locate(splits):
        text = document.text
        for entity in document.entities:
            borders = entity.start, entity.end
            if trim_span(text, *borders, document.words) != borders:
                quoted = quote(text[entity.start : entity.end])
                cases.append(Case(f"{entity.label} {quoted}", (where,)))
    if cases:
        entities = count_of(len(cases), "entity begins or ends", "entities begin or end")
        yield Verdict(
            name="borders on blanks",
            severity="hint",
            finding=f"{entities} with a blank or a character without a sign",
            advice="Move the borders; they were trimmed here, but other programs count them.",
            count=len(cases),
            cases=first_cases(cases),
        )


def judge_punctuation(splits: Splits) -> Iterator[Verdict]:
    """Find entities with punctuation at a border that belongs to the sentence."""
    texts = Counter()
    for _, _, document in locate(splits):
        spans = ((entity.start, entity.end) for entity in document.entities)
        texts.update(document.text[start:end] for start, end in spans)
    wrong = {text for text in texts if is_wrong(text, texts)}
    if not wrong:
        return
    where: dict[str, list[str]] = {text: [] for text in wrong}
    for _, name, document in locate(splits):
        for entity in document.entities:
            text = document.text[entity.start : entity.end]
            if text in wrong:
                add_location(where[text], name)
    count = sum(texts[text] for text in wrong)
    ordered = sorted(wrong, key=lambda text: (-texts[text], text))
    cases = first_cases(Case(quote(text), tuple(where[text])) for text in ordered)
    begin = count_of(count, "entity begins or ends", "entities begin or end")
    yield Verdict(
        name="borders on punctuation",
        severity="warning",
        finding=f"{begin} with punctuation of the sentence, {count_of(len(wrong), 'string')}",
        advice="Move the borders: a model learns them, and each is an error on what is right.",
        count=len(wrong),
        cases=cases,
    )


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
    first, last = text[0], text[-1]
    if last in FOREIGN_ENDS or lacks_partner(text, first) or lacks_partner(text, last):
        return True
    bare = text[:-1].rstrip()
    if last in SENTENCE_ENDS and last not in bare and marked.get(bare, 0) > marked.get(text, 0):
        return True
    is_known = first in OWN_STARTS or first in QUOTES or first in PAIRS
    return category(first) == "Po" and not is_known


def lacks_partner(text: str, character: str) -> bool:
    """Tell whether a bracket or quote has no partner in a text.

    >>> lacks_partner("(a) b)", ")"), lacks_partner("a)", ")"), lacks_partner("'90s", "'")
    (True, True, False)
    """
    if character == '"':
        return text.count(character) % 2 == 1
    opening = OPENERS.get(character, character)
    closing = PAIRS.get(opening)
    return closing is not None and text.count(opening) != text.count(closing)
