"""What is fuzzed, by name.

A property of bytes, what to begin from, and the words that mutations put in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

READERS = (
    *("columns", "conllu", "csv", "jsonl", "json", "brat", "plain"),
    *("datasets", "parquet", "arrow", "docbin", "writers", "checkpoint", "pieces", "bytes"),
    *("exported", "resumed", "scored", "folds"),
)
OUTPUTS = READERS[-4:]
TEXT = ("text", "words")


class Target(NamedTuple):
    """`check` raises if the property does not hold for its input.

    `guide` may tell the fuzzer more than the code's branches do; `keys` are given where the input
    is JSON behind `skip` bytes.
    """

    check: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[str]
    guide: Callable[[bytes], None] | None = None
    keys: tuple[str, ...] = ()
    skip: int = 1


def load(name: str, instrument: Callable | None = None) -> Target:
    """A target by its name.

    Those of TEXT import TensorFlow. `instrument` makes a single function visible to the fuzzer.
    """
    if name in TEXT:
        import text_targets

        guide = text_targets.ClassGuide(instrument) if instrument else None
        return Target(getattr(text_targets, name), text_targets.SEEDS, text_targets.WORDS, guide)
    if name == "pieces":
        import pieces_targets

        return Target(pieces_targets.pieces, pieces_targets.SEEDS, pieces_targets.WORDS)
    if name == "bytes":
        import bytes_targets

        keys = ("model", "vocab", "merges", "pre_tokenizer", "added_tokens", "content", "special")
        seeds = bytes_targets.SEEDS
        return Target(bytes_targets.merges, seeds, bytes_targets.WORDS, keys=keys, skip=1)
    if name == "checkpoint":
        import checkpoint_targets

        keys = (
            "model",
            "vocab",
            "added_tokens",
            "content",
            "special",
            "normalizer",
            "type",
            "unk_token",
            "do_lower_case",
        )
        return Target(
            checkpoint_targets.checkpoint,
            checkpoint_targets.SEEDS,
            checkpoint_targets.WORDS,
            keys=keys,
            skip=0,
        )
    if name in OUTPUTS:
        import output_targets
        import seeds

        check = getattr(output_targets, name)
        own = getattr(output_targets, f"{name}_seeds")()
        return Target(check, own, (*seeds.JSON_WORDS, *seeds.TABLE_WORDS))
    return load_reader(name)


def load_reader(name: str) -> Target:
    import reader_targets
    import seeds
    import writer_targets

    if name == "datasets":
        keys = (
            "features",
            "_data_files",
            "_type",
            "names",
            "filename",
            "_split",
            "_fingerprint",
            "feature",
            "dtype",
        )
        return Target(
            reader_targets.datasets,
            reader_targets.dataset_seeds(),
            seeds.JSON_WORDS,
            keys=keys,
            skip=2,
        )
    if name in ("parquet", "arrow"):
        check = getattr(reader_targets, name)
        return Target(check, reader_targets.table_seeds(name), seeds.JSON_WORDS)
    if name == "docbin":
        return Target(reader_targets.docbin, reader_targets.docbin_seeds(), seeds.DOCBIN_WORDS)
    if name == "writers":
        return Target(
            writer_targets.writers, [text.encode() for text in seeds.MARKED], seeds.MARKED_WORDS
        )
    check, contents, words = {
        "columns": (reader_targets.columns, seeds.COLUMNS, seeds.COLUMN_WORDS),
        "conllu": (reader_targets.conllu, seeds.CONLLU, seeds.CONLLU_WORDS),
        "csv": (reader_targets.csv, seeds.TABLES, seeds.TABLE_WORDS),
        "jsonl": (reader_targets.json_lines, seeds.LINES, seeds.JSON_WORDS),
        "json": (reader_targets.json_array, seeds.ARRAYS, seeds.JSON_WORDS),
        "brat": (reader_targets.brat, seeds.BRAT, seeds.BRAT_WORDS),
        "plain": (reader_targets.plain, seeds.PLAIN, seeds.PLAIN_WORDS),
    }[name]
    keys = tuple(seeds.KEYS.split()) if name in ("json", "jsonl") else ()
    return Target(check, seeds.with_settings(contents), words, keys=keys)
