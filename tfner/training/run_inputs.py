"""What a run needs before its first step: the splits, read and encoded, the label set, the tokenizer, the run folder."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from tfner.config import RunSettings
from tfner.corpus.ledger import Ledger
from tfner.data.cache import encode_cached
from tfner.data.encoded_corpus import EncodedCorpus, encode
from tfner.data.shards.manifest import DROPPED
from tfner.data.shards.sharded_corpus import ShardedCorpus
from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.model.encoders.bert import check_checkpoint, resolve_checkpoint
from tfner.model.heads.decoder import thresholds_by_type
from tfner.safeio.sources import PREPARED
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.wordpiece import WordPieceTokenizer
from tfner.training.environment import changed_splits, describe_environment
from tfner.training.state.run_folder import RunFolder

logger = logging.getLogger(__name__)
SPLITS = ("train", "dev", "test")


@dataclass
class Splits:
    """Documents of each split that the configuration names, and a ledger for each; of train instead what has been prepared, if it has."""

    prepared: ShardedCorpus | None = None
    documents: dict[str, list[Document]] = field(default_factory=dict)
    ledgers: dict[str, Ledger] = field(default_factory=dict)

    def log_dropped(self) -> None:
        """One line a split in the log."""
        for split, ledger in self.ledgers.items():
            if ledger.entries:
                named_by = (
                    self.prepared.folder / DROPPED
                    if self.prepared and split == "train"
                    else "python -m tfner.inspect DATA --list"
                )
                logger.warning("data.%s: %s (%s names them)", split, ledger.summary(), named_by)


@dataclass
class Prepared:
    """What a run needs before the first step."""

    settings: RunSettings
    folder: RunFolder
    splits: Splits
    labels: LabelSet
    checkpoint: Path
    tokenizer: WordPieceTokenizer
    corpora: dict[str, EncodedCorpus | ShardedCorpus]
    console: Console
    seconds: dict[str, float] = field(default_factory=dict)


def prepare(
    settings: RunSettings,
    folder: RunFolder,
    console: Console,
    *,
    writes: bool = True,
    overwrite: bool = False,
) -> Prepared:
    """Read, tokenize and label the data; create the run folder once that has gone well, unless another process does.

    With `overwrite` what the folder held goes then, not before: a mistake in the data does not cost the earlier run.
    """
    checkpoint = resolve_checkpoint(settings.encoder.checkpoint)
    tokenizer = WordPieceTokenizer.from_checkpoint(checkpoint)
    splits = read_splits(settings)
    labels = find_labels(settings, splits)
    check_names(settings, labels)
    corpora: dict[str, EncodedCorpus | ShardedCorpus] = {
        name: encode_split(documents, tokenizer, labels, splits.ledgers[name], settings)
        for name, documents in splits.documents.items()
    }
    if splits.prepared is not None:
        check_same_encoding(settings, labels, tokenizer, splits.prepared)
        corpora["train"] = splits.prepared
    check_checkpoint(checkpoint, pretrained=settings.encoder.initialize == "pretrained")
    if writes:
        splits.log_dropped()
        if overwrite and folder.state() != "absent":
            folder.delete()
        environment = describe_environment(settings, splits.documents)
        for split in changed_splits(folder.environment, environment):
            logger.warning("data.%s: not what it was when the run was last started", split)
        folder.create(settings, checkpoint, environment)
        folder.save_labels(labels)
    return Prepared(settings, folder, splits, labels, checkpoint, tokenizer, corpora, console)


def read_splits(settings: RunSettings) -> Splits:
    """Read every split that is named; a training split without documents is an error."""
    splits = Splits()
    for name in SPLITS:
        source = getattr(settings.data, name)
        if source is not None and source.startswith(PREPARED):
            splits.prepared = ShardedCorpus(Path(source.removeprefix(PREPARED)))
            splits.ledgers[name] = splits.prepared.ledger
        elif source is not None:
            splits.ledgers[name] = Ledger()
            splits.documents[name] = list(
                read_documents(source, settings.data, splits.ledgers[name])
            )
            if not splits.documents[name]:
                raise DataError(f"{source}: expected documents for data.{name}, found none")
    if "train" not in splits.ledgers:
        raise ConfigError("data.train: required for training, but not given")
    return splits


def find_labels(settings: RunSettings, splits: Splits) -> LabelSet:
    """The given labels, or the entity types of the training data; others in dev and test are said."""
    seen = {split: count_labels(documents) for split, documents in splits.documents.items()}
    learned = splits.prepared.labels.types if splits.prepared else tuple(sorted(seen["train"]))
    types = settings.labels if settings.labels is not None else learned
    if not types:
        raise DataError(
            f"{settings.data.train}: expected entities to learn, found none in {len(splits.documents['train'])} documents"
        )
    for split, counts in seen.items():
        unknown = {label: count for label, count in sorted(counts.items()) if label not in types}
        if unknown:
            logger.warning(
                "data.%s: entities of types that are not learned, which count as misses: %s",
                split,
                unknown,
            )
    return LabelSet(tuple(types), settings.model.tag_scheme)


def check_same_encoding(
    settings: RunSettings, labels: LabelSet, tokenizer: WordPieceTokenizer, prepared: ShardedCorpus
) -> None:
    """Windows that were prepared fit the settings of the run.

    Raises:
        ConfigError: they were prepared with others; names each.
    """
    now = {
        "labels": labels.types,
        "model.tag_scheme": labels.scheme,
        "model.labelling": settings.model.labelling,
        "encoder.max_length": settings.encoder.max_length,
        "encoder.overlap": settings.encoder.overlap,
        "the tokenizer": tokenizer.fingerprint()[:12],
    }
    before = prepared.manifest.encoding
    made = (
        before.labels,
        before.tag_scheme,
        before.labelling,
        before.max_length,
        before.overlap,
        before.tokenizer[:12],
    )
    other = [
        f"{key}: {old!r} → {new!r}"
        for (key, new), old in zip(now.items(), made, strict=True)
        if old != new
    ]
    if other:
        raise ConfigError(
            f"data.train: {prepared.folder} was prepared with other settings ({'; '.join(other)}); prepare it again"
        )


def check_names(settings: RunSettings, labels: LabelSet) -> None:
    """Refuse settings for tags or types that there are not, before anything is created."""
    class_weights(settings.training.class_weights, labels)
    thresholds_by_type(settings.export.threshold, labels.types)


def class_weights(weights: dict[str, float] | None, labels: LabelSet) -> list[float] | None:
    """One weight a tag, in the order of ids; a name that is no tag is an error."""
    if weights is None:
        return None
    unknown = sorted(set(weights) - set(labels.tags))
    if unknown:
        raise ConfigError(
            f"training.class_weights: expected tags of {', '.join(labels.tags)}, got {', '.join(unknown)}"
        )
    return [weights.get(tag, 1.0) for tag in labels.tags]


def count_labels(documents: Sequence[Document]) -> Counter[str]:
    return Counter(entity.label for document in documents for entity in document.entities)


def encode_split(
    documents: Sequence[Document],
    tokenizer: WordPieceTokenizer,
    labels: LabelSet,
    ledger: Ledger,
    settings: RunSettings,
) -> EncodedCorpus:
    """Pieces, labels and windows as the settings say."""
    options: dict[str, Any] = {
        "max_length": settings.encoder.max_length,
        "overlap": settings.encoder.overlap,
        "labelling": settings.model.labelling,
    }
    if settings.data.cache is None:
        return encode(documents, tokenizer, labels, ledger, **options)
    return encode_cached(documents, tokenizer, labels, ledger, Path(settings.data.cache), **options)


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the wall time of a block to `seconds[name]`."""
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
