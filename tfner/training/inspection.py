"""Count and judge splits of marked data, for `tfner.inspect` and `tfner.init`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from tfner.config import RunSettings
from tfner.corpus.ledger import Ledger
from tfner.corpus.statistics import corpus_statistics
from tfner.corpus.verdicts.judge import judge_corpus, worst_first
from tfner.corpus.verdicts.verdict import Verdict
from tfner.documents import Document
from tfner.evaluation.report.corpus_report import CorpusReport
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.safeio.sources import Source, name_source
from tfner.tagging.schemes import LabelSet
from tfner.training.held_out import hold_out

if TYPE_CHECKING:
    from tfner.tokenizers.protocol import Tokenizer

# Its units are those of every BERT, its pieces those of none.
DEFAULT_TOKENIZER = "embedded:quickstart/encoder"
ANY_TYPE = "ENTITY"


def read_splits(
    sources: Mapping[str, Source], settings: ReadSettings, run_settings: RunSettings | None
) -> tuple[dict[str, list[Document]], dict[str, Ledger]]:
    """Read some splits, with a ledger of each; shares of the training data as a run takes them.

    Raises:
        DataError: they cannot be read, or none has a document.
    """
    splits: dict[str, list[Document]] = {}
    ledgers: dict[str, Ledger] = {}
    if run_settings is not None and run_settings.data.shares():
        division = hold_out(run_settings)
        splits = division.documents
        ledgers = division.ledgers
    for name, source in sources.items():
        if name not in splits:
            ledgers[name] = Ledger()
            documents = read_documents(source, settings, ledgers[name])
            splits[name] = list(documents)
    if not any(splits.values()):
        where = ", ".join(map(name_source, sources.values()))
        raise DataError(f"{where}: expected documents, found none")
    return splits, ledgers


def judge_splits(
    splits: Mapping[str, Sequence[Document]],
    ledgers: Mapping[str, Ledger],
    encoder: str | None,
    settings: RunSettings | None,
) -> CorpusReport:
    """Count and judge some splits; TensorFlow is loaded here.

    Args:
        ledgers: of the splits; what tokenizing drops is entered too.
        encoder: whose vocabulary counts pieces; without one nothing is said of pieces.
        settings: whose training is worked out, on the split `train`.
    """
    from tfner.data.token_stats import collect_token_stats
    from tfner.model.encoders.checkpoints import resolve_checkpoint
    from tfner.tokenizers.registry import open_tokenizer

    checkpoint = resolve_checkpoint(encoder or DEFAULT_TOKENIZER)
    tokenizer = open_tokenizer(checkpoint)
    labels = labels_of(chain.from_iterable(splits.values()))
    token_stats = {}
    for name, documents in splits.items():
        stats = collect_token_stats(documents, tokenizer, labels, ledgers[name])
        if encoder is None:
            stats = replace(stats, pieces=None, unknown_characters={})
        token_stats[name] = stats
    verdicts = judge_corpus(splits, ledgers, token_stats)
    training = ""
    if settings is not None and splits.get("train"):
        training, further = judge_training(settings, splits["train"], tokenizer, labels)
        verdicts = worst_first([*verdicts, *further])
    statistics = corpus_statistics(splits, token_stats)
    return CorpusReport(statistics=statistics, verdicts=verdicts, training=training)


def judge_training(
    settings: RunSettings, documents: Sequence[Document], tokenizer: Tokenizer, labels: LabelSet
) -> tuple[str, list[Verdict]]:
    """Say how many updates the settings will make of the training split, and whether too few."""
    from tfner.training.forecast import describe_schedule, forecast_schedule, judge_schedule

    schedule = forecast_schedule(settings, documents, tokenizer, labels)
    if schedule is None:
        return "", []
    return describe_schedule(schedule), list(judge_schedule(settings.training, schedule))


def labels_of(documents: Iterable[Document]) -> LabelSet:
    """Collect every entity type that occurs; where none does, which a verdict says, any one."""
    names = {entity.label for document in documents for entity in document.entities}
    ordered = sorted(names) or [ANY_TYPE]
    return LabelSet(tuple(ordered))
