"""Take dev and test from the training data, as its shares say, and as a run folder has recorded."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfner.config import RunSettings
from tfner.corpus.ledger import Entry, Ledger
from tfner.corpus.splitting import split_documents
from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.formats.settings import ReadSettings
from tfner.formats.split_record import SplitRecord, hash_documents, hash_texts
from tfner.safeio.sources import Source, name_source
from tfner.setting_groups import DataSettings

logger = logging.getLogger(__name__)
TRAIN = "train"
FAR = 0.5  # of a share: a split that is farther from it is said in a warning


@dataclass
class Pool:
    """Hold the documents that are divided, in their order, and what was dropped of each."""

    source: Source
    reading: ReadSettings
    documents: list[Document]
    entries: list[list[Entry]]


@dataclass
class Division:
    """Hold the splits of a pool, the ledger of each, and the record of where each document is."""

    pool: Pool
    record: SplitRecord
    documents: dict[str, list[Document]]
    ledgers: dict[str, Ledger]

    def content(self) -> str:
        """Hash the documents with their marks, as the record does."""
        return hash_documents(self.pool.documents)

    def write_record(self, folder: Path) -> None:
        """Write the record into a folder."""
        self.record.write(folder, self.pool.documents)


def read_pool(data: DataSettings) -> Pool:
    """Read the training data, and note of each document what was dropped of it.

    Raises:
        ConfigError: there are none.
        DataError: they cannot be read, or hold no document.
    """
    source = data.train
    if source is None:
        raise ConfigError("data.train: required to be divided, but not given")
    names = set(ReadSettings.model_fields)
    values = data.model_dump(include=names)
    reading = ReadSettings(**values)
    ledger = Ledger()
    documents = []
    entries = []
    for document in read_documents(source, data, ledger):
        documents.append(document)
        own = ledger.take()
        entries.append(own)
    if not documents:
        where = name_source(source)
        raise DataError(f"{where}: expected documents for data.train, found none")
    last = entries[-1]
    last += ledger.take()  # what stands behind the last document
    return Pool(source, reading, documents, entries)


def divide(pool: Pool, shares: Mapping[str, float], seed: int) -> Division:
    """Divide a pool into splits of given shares, which add up to 1.

    Raises:
        DataError: there are too few groups and texts.
    """
    documents = pool.documents
    try:
        splits = split_documents(documents, shares, seed)
    except DataError as error:
        asked = ", ".join(shares)
        where = name_source(pool.source)
        raise DataError(f"{where}: cannot be divided into {asked}: {error}") from None
    texts = hash_texts(documents)
    content = hash_documents(documents)
    record = SplitRecord(pool.source, pool.reading, seed, shares, texts, content, splits)
    return apply_record(pool, record)


def apply_record(pool: Pool, record: SplitRecord) -> Division:
    """Divide a pool as a record says.

    Raises:
        DataError: the record is of other documents.
    """
    record.check_texts(pool.documents)
    division = Division(pool, record, {}, {})
    for split in record.splits:
        numbers = record.numbers(split)
        division.documents[split] = [pool.documents[number] for number in numbers]
        entries = [entry for number in numbers for entry in pool.entries[number]]
        ledger = Ledger(entries)
        division.ledgers[split] = ledger
    return division


def hold_out(settings: RunSettings, recorded: Path | None = None) -> Division:
    """Take the splits that are shares of the training data from it; say how large they are.

    Args:
        recorded: a folder whose record says which documents they are; None draws them by the seed.

    Raises:
        DataError: the data cannot be read or divided, or are not those of the record.
    """
    pool = read_pool(settings.data)
    if recorded is not None:
        record = SplitRecord.read(recorded)
        return apply_record(pool, record)
    shares = settings.data.shares()
    total = sum(shares.values())
    rest = 1 - total
    division = divide(pool, {TRAIN: rest, **shares}, settings.seed)
    for split, share in shares.items():
        describe_split(division, split, share)
    return division


def describe_split(division: Division, split: str, share: float) -> None:
    """Log how large a split is; warn where groups keep it far from its share."""
    documents = division.documents[split]
    every = division.pool.documents
    entities = count_entities(documents)
    of_documents = f"{len(documents):,} of {len(every):,} documents"
    of_entities = f"{entities:,} of {count_entities(every):,} entities"
    taken = f"data.{split}: {100 * share:g}% of data.train: {of_documents}, {of_entities}"
    logger.info("%s", taken)
    size = len(every)
    real = len(documents) / size
    if abs(real - share) > FAR * share:
        why = "documents of one group or text stay together"
        logger.warning("%s, which is %.1f%%: %s", taken, 100 * real, why)


def count_entities(documents: Sequence[Document]) -> int:
    return sum(len(document.entities) for document in documents)


def warn_shared(data: DataSettings, documents: Mapping[str, Sequence[Document]]) -> None:
    """Warn where dev or test is what is learned from, or shares texts with it."""
    learned = documents.get(TRAIN, ())
    texts = Counter(document.text for document in learned)
    sources = data.sources()
    for split in ("dev", "test"):
        asked = documents.get(split, ())
        shared = sum(bool(each.text.strip()) and each.text in texts for each in asked)
        if asked and sources.get(split) == sources.get(TRAIN):
            own = sources[split]
            source = name_source(own)
            same = "the same source as data.train, so its score is that of memory"
            logger.warning("data.%s: %s: %s", split, source, same)
        elif shared:
            found = f"{shared:,} of {len(asked):,} documents are in data.train too, word for word"
            advice = "python -m tfner.inspect names them"
            logger.warning("data.%s: %s (%s)", split, found, advice)
