"""Judge a corpus from every side, and put the verdicts in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tfner.corpus.ledger import Ledger
from tfner.corpus.statistics import TokenStats
from tfner.corpus.verdicts.borders import judge_borders
from tfner.corpus.verdicts.dropped import judge_dropped
from tfner.corpus.verdicts.entity_types import judge_types
from tfner.corpus.verdicts.leakage import judge_leakage
from tfner.corpus.verdicts.strings import judge_strings
from tfner.corpus.verdicts.texts import judge_texts
from tfner.corpus.verdicts.verdict import SEVERITIES, Severity, Splits, Verdict
from tfner.corpus.verdicts.vocabulary import judge_vocabulary


def judge_corpus(
    splits: Splits,
    ledgers: Mapping[str, Ledger] | None = None,
    token_stats: Mapping[str, TokenStats] | None = None,
) -> list[Verdict]:
    """Judge the splits of a corpus, the worst first.

    >>> from tfner.documents import Document
    >>> train = [Document.from_words(["in", "Oslo", ","], [(1, 3, "LOC")], id="a")] * 50
    >>> [verdict] = judge_corpus({"train": train})
    >>> verdict.sentence
    '50 entities begin or end with punctuation of the sentence, 1 string: "Oslo ," (train a)'

    Args:
        splits: documents by split; the first is learned from, the others are scored.
        ledgers: by split, what was dropped, trimmed and repaired when it was read and labelled.
        token_stats: by split, what a tokenizer makes of it.
    """
    verdicts = _judge(splits, ledgers or {}, token_stats or {})
    return worst_first(verdicts)


def _judge(
    splits: Splits, ledgers: Mapping[str, Ledger], token_stats: Mapping[str, TokenStats]
) -> Iterator[Verdict]:
    """Give what makes scores wrong before what makes them low."""
    if splits:
        yield from judge_leakage(splits)
        yield from judge_types(splits)
        yield from judge_texts(splits)
        yield from judge_strings(splits)
        yield from judge_borders(splits, ledgers)
        yield from judge_dropped(splits, ledgers)
        yield from judge_vocabulary(splits, token_stats)


def worst_first(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Sort verdicts by severity, and leave those of one severity in their order."""
    return sorted(verdicts, key=lambda verdict: SEVERITIES.index(verdict.severity))


def at_least(verdicts: Iterable[Verdict], severity: Severity) -> list[Verdict]:
    """Keep the verdicts that are as severe or worse."""
    most = SEVERITIES.index(severity)
    return [verdict for verdict in verdicts if SEVERITIES.index(verdict.severity) <= most]
