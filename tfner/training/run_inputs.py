"""Load what a run needs before its first step: splits, labels, tokenizer, encoded corpora."""

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
from tfner.corpus.context import Context, usual_context
from tfner.corpus.ledger import Ledger
from tfner.data.cache import encode_cached
from tfner.data.encoded_corpus import EncodedCorpus, encode
from tfner.data.raw_sentences import cut_raw_text, sentences_per_document
from tfner.data.shards.manifest import DROPPED, Encoding
from tfner.data.shards.sharded_corpus import ShardedCorpus
from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.formats.reading import read_unlabelled
from tfner.model.encoders.checkpoints import resolve_checkpoint
from tfner.model.encoders.families import check_checkpoint
from tfner.model.heads.decoder import thresholds_by_type
from tfner.model.heads.head import LossOptions, build_head
from tfner.safeio.sources import is_run, name_source, prepared_folder
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.protocol import Tokenizer
from tfner.tokenizers.registry import open_tokenizer, tokenizer_files
from tfner.training.dev_entities import warn_without_entities
from tfner.training.environment import changed_content, describe_environment
from tfner.training.held_out import Division, hold_out, warn_shared
from tfner.training.prepare_shards import encoding_of
from tfner.training.state.run_folder import RunFolder
from tfner.training.teachers import Teacher, open_teachers
from tfner.training.warm_start import WarmStart, find_warm_start

logger = logging.getLogger(__name__)
WINDOWS = ("encoder.max_length", "encoder.overlap", "the tokenizer")
# What messages call the fields of an Encoding, in their order.
ENCODING_SETTINGS = ("labels", "model.tag_scheme", "model.labelling", *WINDOWS, "data.context")


@dataclass
class Splits:
    """Hold the documents and the ledger of each split that the configuration names.

    Where the training split has been prepared, its shards stand in place of its documents. Where
    others are shares of it, `division` says which documents they have.
    """

    prepared: ShardedCorpus | None = None
    documents: dict[str, list[Document]] = field(default_factory=dict)
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    division: Division | None = None

    def warn_dropped(self) -> None:
        """Log what was dropped or repaired, one line a split."""
        for split, ledger in self.ledgers.items():
            if ledger.entries:
                where = "python -m tfner.inspect DATA --list"
                if self.prepared and split == "train":
                    where = self.prepared.folder / DROPPED
                logger.warning("data.%s: %s (%s names them)", split, ledger.summary(), where)

    def dropped(self) -> dict[str, dict[str, int]]:
        """Count what was dropped or repaired, by split and reason."""
        return {split: ledger.counts for split, ledger in self.ledgers.items()}

    def usual_context(self) -> Context:
        """Choose how sentences are read where nothing is asked for: as the training split says."""
        if self.prepared is not None:
            return self.prepared.manifest.encoding.context
        return usual_context(self.documents["train"])

    def counts(self) -> dict[str, dict[str, int]]:
        """Count documents and entities by split; old prepared data do not know their entities."""
        counts = {}
        for split, documents in self.documents.items():
            entities = sum(len(document.entities) for document in documents)
            counts[split] = {"documents": len(documents), "entities": entities}
        if self.prepared:
            manifest = self.prepared.manifest
            counts["train"] = {"documents": manifest.documents}
            if manifest.entities is not None:
                counts["train"]["entities"] = manifest.entities
        return counts


@dataclass
class RunInputs:
    """Hold what a run needs before the first step."""

    settings: RunSettings
    folder: RunFolder
    splits: Splits
    labels: LabelSet
    checkpoint: Path
    tokenizer: Tokenizer
    corpora: dict[str, EncodedCorpus | ShardedCorpus]
    console: Console
    seconds: dict[str, float] = field(default_factory=dict)
    teachers: list[Teacher] = field(default_factory=list)
    taught: dict[str, dict[str, int]] = field(default_factory=dict)  # what they labelled, by split
    warm_start: WarmStart | None = None
    sentences_per_document: float | None = None  # of the training data, in the mean

    def began_from(self) -> dict[str, Any]:
        """Say which tagger the run begins from; empty where it is none."""
        return self.warm_start.describe() if self.warm_start else {}


def load_run_inputs(
    settings: RunSettings,
    folder: RunFolder,
    console: Console,
    *,
    writes: bool = True,
    overwrite: bool = False,
) -> RunInputs:
    """Read, tokenize and label the data, then create the run folder, if this process `writes`.

    With `overwrite` the folder's earlier run is deleted then, not before: a mistake in the data
    does not cost it.
    """
    checkpoint = resolve_checkpoint(settings.encoder.checkpoint)
    check_checkpoint(checkpoint, pretrained=is_pretrained(settings))
    tokenizer = open_tokenizer(checkpoint)
    splits = read_splits(settings, overwrite=overwrite)
    settings = settings.resolve_context(splits.usual_context())
    labels = find_labels(settings, splits)
    check_head_and_names(settings, labels)
    teachers = open_teachers(settings, labels)
    sentences = count_sentences(splits, tokenizer)
    if settings.reads_sentences(sentences):
        cut_unlabelled(splits, tokenizer)
    else:
        warn_of_whole_texts(teachers, splits)
    corpora: dict[str, EncodedCorpus | ShardedCorpus] = {}
    for split, documents in splits.documents.items():
        ledger = splits.ledgers[split]
        corpora[split] = encode_split(documents, tokenizer, labels, ledger, settings)
    if splits.prepared is not None:
        check_same_encoding(settings, labels, tokenizer, splits.prepared)
        corpora["train"] = splits.prepared
    inputs = RunInputs(settings, folder, splits, labels, checkpoint, tokenizer, corpora, console)
    inputs.teachers = teachers
    inputs.sentences_per_document = sentences
    inputs.warm_start = find_warm_start(settings, checkpoint, labels)
    if writes:
        splits.warn_dropped()
        warn_shared(settings.data, splits.documents)
        warn_without_entities(settings.data, splits.documents.get("dev", ()))
        warn_without_documents(settings, splits)
        log_warm_start(inputs.warm_start)
        log_reading(inputs)
        create_run_folder(inputs, overwrite=overwrite)
    return inputs


def count_sentences(splits: Splits, tokenizer: Tokenizer) -> float | None:
    """Count the sentences of a training document in the mean; None where it is not known."""
    if splits.prepared is not None:
        return splits.prepared.manifest.sentences_per_document
    return sentences_per_document(splits.documents["train"], tokenizer)


def cut_unlabelled(splits: Splits, tokenizer: Tokenizer) -> None:
    """Cut raw text without labels into sentences, as the model that learns from it will read it."""
    documents = splits.documents.get("unlabelled", [])
    sentences = list(cut_raw_text(documents, tokenizer))
    if len(sentences) > len(documents):
        splits.documents["unlabelled"] = sentences
        message = "data.unlabelled: %d documents, read as %d sentences"
        logger.info(message, len(documents), len(sentences))


def warn_of_whole_texts(teachers: Sequence[Teacher], splits: Splits) -> None:
    """Name the teachers that are asked for raw text otherwise than they read it."""
    taught = [*splits.documents.get("train", ()), *splits.documents.get("unlabelled", ())]
    if any(document.words is None for document in taught):
        for teacher in teachers:
            if teacher.by_sentence:
                message = "%s: reads raw text sentence by sentence, and is asked for whole texts"
                logger.warning(message, teacher.path)


def is_pretrained(settings: RunSettings) -> bool:
    """Tell whether the encoder is built with weights of its folder; those of a run come later."""
    from_run = is_run(Path(settings.encoder.checkpoint))
    return settings.encoder.initialize == "pretrained" and not from_run


def log_warm_start(warm_start: WarmStart | None) -> None:
    """Say which weights come from where."""
    if warm_start is not None:
        logger.info("encoder: weights from %s", warm_start.source)
        logger.info("%s", warm_start.plan.describe(warm_start.source))


def log_reading(inputs: RunInputs) -> None:
    """Say what the model will read at once, where the training data decide it."""
    settings, count = inputs.settings, inputs.sentences_per_document
    how = "sentence by sentence" if settings.reads_sentences(count) else "as it is"
    if settings.data.context == "document":
        logger.info("sentences of a document will be read together, raw text %s", how)
    elif settings.export.raw_text == "auto" and count is not None:
        message = "%.2f sentences in a training document, in the mean: raw text will be read %s"
        logger.info(message, count, how)


def warn_without_documents(settings: RunSettings, splits: Splits) -> None:
    """Log splits that name no documents although their sentences are to be read together."""
    if settings.data.context == "none":
        return
    for split, documents in splits.documents.items():
        if not any(document.group for document in documents):
            message = "data.%s: names no documents, so that data.context: %s changes nothing there"
            if split == "train" and settings.export.raw_text == "auto":
                message += ", but lets raw text be read as it is, not by sentence"
            logger.warning(message, split, settings.data.context)


def create_run_folder(inputs: RunInputs, *, overwrite: bool) -> None:
    """Write what explains the run; say which data are not those that it was last started with."""
    settings, folder, splits = inputs.settings, inputs.folder, inputs.splits
    if overwrite and folder.state() != "absent":
        folder.delete()
    environment = describe_environment(settings, splits.documents, splits.counts())
    environment["data"]["train"]["sentences_per_document"] = inputs.sentences_per_document
    if inputs.teachers:
        fingerprints = {teacher.path: teacher.fingerprint for teacher in inputs.teachers}
        environment["teachers"] = {path: {"sha256": sha} for path, sha in fingerprints.items()}
    if inputs.warm_start is not None:
        began = inputs.warm_start
        environment["began_from"] = {began.source: {"sha256": began.fingerprint}}
    for path in changed_content(folder.environment, environment, "began_from"):
        logger.warning("encoder.checkpoint: %s: not what it was when the run last began", path)
    for split in changed_content(folder.environment, environment, "data"):
        logger.warning("data.%s: not what it was when the run was last started", split)
    for path in changed_content(folder.environment, environment, "teachers"):
        logger.warning("training.teachers: %s: not what it was when the run last began", path)
    if splits.division is not None:
        folder.path.mkdir(parents=True, exist_ok=True)
        splits.division.write_record(folder.path)
    folder.create(settings, inputs.checkpoint, environment, tokenizer_files())
    folder.save_labels(inputs.labels)


def read_splits(settings: RunSettings, *, overwrite: bool = False) -> Splits:
    """Read every split that is named; take from the training data what is a share of them.

    A run that goes on has the shares that it began with, unless `overwrite` begins it again.

    Raises:
        ConfigError: there is no training split.
        DataError: a split cannot be read, or holds no documents.
    """
    splits = Splits()
    if settings.data.shares():
        folder = RunFolder(settings.run_dir)
        is_new = overwrite or folder.state() == "absent"
        division = hold_out(settings, None if is_new else folder.path)
        splits = Splits(None, division.documents, division.ledgers, division)
    for split, source in settings.data.sources().items():
        if split in splits.documents:
            continue
        folder = prepared_folder(source)
        if folder is not None:
            splits.prepared = ShardedCorpus(folder)
            splits.ledgers[split] = splits.prepared.ledger
            continue
        ledger = splits.ledgers[split] = Ledger()
        if split == "unlabelled":
            documents = list(read_unlabelled(source, settings.data))
        else:
            documents = list(read_documents(source, settings.data, ledger))
        if not documents:
            where = name_source(source)
            raise DataError(f"{where}: expected documents for data.{split}, found none")
        splits.documents[split] = documents
    if "train" not in splits.ledgers:
        raise ConfigError("data.train: required for training, but not given")
    return splits


def find_labels(settings: RunSettings, splits: Splits) -> LabelSet:
    """Take the given labels or the entity types of the training data; log others in dev and test.

    Raises:
        DataError: there are none.
    """
    seen = {split: count_labels(documents) for split, documents in splits.documents.items()}
    learned = splits.prepared.labels.types if splits.prepared else tuple(sorted(seen["train"]))
    types = settings.labels if settings.labels is not None else learned
    if not types:
        documents = len(splits.documents["train"])
        expected = f"expected entities to learn, found none in {documents} documents"
        raise DataError(f"{name_source(settings.data.train or '')}: {expected}")
    for split, counts in seen.items():
        unknown = {label: count for label, count in sorted(counts.items()) if label not in types}
        if unknown:
            message = "data.%s: entities of types that are not learned, which count as misses: %s"
            logger.warning(message, split, unknown)
    return LabelSet(tuple(types), settings.model.tag_scheme)


def check_same_encoding(
    settings: RunSettings, labels: LabelSet, tokenizer: Tokenizer, prepared: ShardedCorpus
) -> None:
    """Check that windows were prepared with the settings of the run.

    Raises:
        ConfigError: they were prepared with others; names each.
    """
    now = encoding_of(settings, labels, tokenizer.fingerprint())
    before = prepared.manifest.encoding
    other = []
    for name, setting in zip(Encoding.model_fields, ENCODING_SETTINGS, strict=True):
        old = getattr(before, name)
        new = getattr(now, name)
        if old != new:
            old, new = (value[:12] if name == "tokenizer" else value for value in (old, new))
            other.append(f"{setting}: {old!r} → {new!r}")
    if other:
        made = f"was prepared with other settings ({'; '.join(other)}); prepare it again"
        raise ConfigError(f"data.train: {prepared.folder} {made}")


def check_head_and_names(settings: RunSettings, labels: LabelSet) -> None:
    """Refuse a head that there is not, and settings for tags or types, before anything is made."""
    loss = loss_options(settings, labels)
    build_head(settings.model.head, labels, loss, initializer_range=0.0)
    thresholds_by_type(settings.export.threshold, labels.types)


def loss_options(settings: RunSettings, labels: LabelSet) -> LossOptions:
    """Collect what the settings ask of the loss."""
    training = settings.training
    weights = class_weights(training.class_weights, labels)
    teacher_weight = training.teacher_weight if training.teachers else None
    return LossOptions(training.label_smoothing, weights, teacher_weight)


def class_weights(weights: dict[str, float] | None, labels: LabelSet) -> list[float] | None:
    """List one weight a tag, in the order of ids; a name that is no tag is an error."""
    if weights is None:
        return None
    unknown = sorted(set(weights) - set(labels.tags))
    if unknown:
        expected = f"expected tags of {', '.join(labels.tags)}, got {', '.join(unknown)}"
        raise ConfigError(f"training.class_weights: {expected}")
    return [weights.get(tag, 1.0) for tag in labels.tags]


def count_labels(documents: Sequence[Document]) -> Counter[str]:
    return Counter(entity.label for document in documents for entity in document.entities)


def encode_split(
    documents: Sequence[Document],
    tokenizer: Tokenizer,
    labels: LabelSet,
    ledger: Ledger,
    settings: RunSettings,
) -> EncodedCorpus:
    """Encode documents into pieces, labels and windows, as the settings say."""
    options = settings.encoding_options()
    cache = settings.data.cache
    if cache is None:
        return encode(documents, tokenizer, labels, ledger, **options)
    return encode_cached(documents, tokenizer, labels, ledger, Path(cache), **options)


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the wall time of a block to `seconds[name]`."""
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
