"""Make texts with words and entities of spaCy's Docs, and Docs of them; spaCy is an extra."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tfner.exceptions import MissingExtraError

SPAN_GROUP = "sc"  # where spaCy's spancat keeps spans that overlap
SCORE = "score"  # `span._.score`, from 0 to 1
LANGUAGE = "xx"  # whose tokenizer knows no language
WordSpans = Sequence[tuple[int, int]]


class LabelledSpan(NamedTuple):
    """Hold an entity's borders in characters, its label and its score."""

    start: int
    end: int
    label: str
    score: float = 1.0


def import_spacy(purpose: str) -> Any:
    """Import spaCy, and give its spans the attribute `span._.score`.

    Raises:
        MissingExtraError: it is not installed; the message names the purpose.
    """
    try:
        spacy = importlib.import_module("spacy")
    except ImportError:
        raise MissingExtraError("spacy", "spacy", purpose) from None
    span = spacy.tokens.Span
    if not span.has_extension(SCORE):
        span.set_extension(SCORE, default=None)
    return spacy


def read_words(doc: Any) -> list[tuple[int, int]]:
    """List the (start, end) of a Doc's tokens that are not white space."""
    tokens = [token for token in doc if token.text.strip()]
    return [(token.idx, token.idx + len(token.text)) for token in tokens]


def read_spans(doc: Any) -> list[LabelledSpan]:
    """List the entities of a Doc; where it has none the spans of the group `sc`."""
    spans = doc.ents or doc.spans.get(SPAN_GROUP, ())
    return [LabelledSpan(span.start_char, span.end_char, span.label_) for span in spans]


def make_doc(
    text: str, words: WordSpans | None, entities: Iterable[LabelledSpan], nlp: Any = None
) -> Any:
    """Make a Doc of a text, whose tokens end wherever an entity does.

    Each entity's score is `span._.score`.

    Args:
        words: its tokens; None: those that `nlp` finds.
        nlp: a Language of spaCy's; None: one that knows no language.

    Raises:
        MissingExtraError: spaCy is not installed.
    """
    spacy = import_spacy("Document.to_spacy")
    language = spacy.blank(LANGUAGE) if nlp is None else nlp
    if words is None:
        found = language.make_doc(text)
        words = read_words(found)
    spans = [strip_span(text, entity) for entity in entities]
    spans = [span for span in spans if span.start < span.end]
    tokens, spaces = cut_tokens(text, words, spans)
    new_doc = spacy.tokens.Doc
    doc = new_doc(language.vocab, words=tokens, spaces=spaces)
    found = [char_span(doc, span) for span in spans]
    if is_flat(spans):
        doc.ents = found
    else:
        doc.spans[SPAN_GROUP] = found
    return doc


def char_span(doc: Any, span: LabelledSpan, alignment_mode: str = "strict") -> Any:
    """Make a span of a Doc's tokens with its score; None where it fits none of them."""
    found = doc.char_span(span.start, span.end, span.label, alignment_mode=alignment_mode)
    if found is not None:
        found._.set(SCORE, span.score)
    return found


def strip_span(text: str, span: LabelledSpan) -> LabelledSpan:
    """Take blanks off the borders of a span, which are no token to spaCy.

    >>> strip_span("a Bo b", LabelledSpan(1, 5, "PER"))
    LabelledSpan(start=2, end=4, label='PER', score=1.0)
    """
    inside = text[span.start : span.end]
    start = span.end - len(inside.lstrip())
    end = span.start + len(inside.rstrip())
    return span._replace(start=start, end=end)


def is_flat(spans: Iterable[LabelledSpan]) -> bool:
    """Tell whether no two spans overlap, as spaCy wants it of entities."""
    return all(one.end <= other.start for one, other in pairwise(sorted(spans)))


def cut_tokens(
    text: str, words: WordSpans, spans: Iterable[LabelledSpan]
) -> tuple[list[str], list[bool]]:
    """Cut a text into tokens at the borders of words and spans; one blank may follow each.

    >>> cut_tokens("Bo  left.", [(0, 2), (4, 9)], [LabelledSpan(4, 6, "X")])
    (['Bo', ' ', 'le', 'ft.'], [True, False, False, False])

    Returns:
        The tokens, and whether a blank follows each that is not itself a token.
    """
    borders = {0, len(text)}
    for start, end, *_ in (*words, *spans):
        borders |= {start, end}
    tokens: list[str] = []
    spaces: list[bool] = []
    for start, end in pairwise(sorted(borders)):
        for token in cut_blank(text[start:end]):
            if token == " " and spaces and not spaces[-1]:
                spaces[-1] = True
            else:
                tokens.append(token)
                spaces.append(False)
    return tokens, spaces


def cut_blank(text: str) -> Iterator[str]:
    """Cut off the blank that a text begins with.

    >>> list(cut_blank("  x")), list(cut_blank("x"))
    ([' ', ' x'], ['x'])
    """
    if text.startswith(" "):
        yield " "
        text = text[1:]
    if text:
        yield text
