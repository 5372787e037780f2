"""Windows on disk: as in memory, each once an epoch, in the order of seed and epoch.

No damage goes unseen.
"""

from __future__ import annotations

import json
import pickle
import re
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from tfner.corpus.ledger import Ledger
from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.batching.packed_batches import PackedBatches, PackedSettings
from tfner.data.batching.replica_range import ONE_REPLICA
from tfner.data.encoded_corpus import EncodedCorpus, encode
from tfner.data.shards import order as shard_order
from tfner.data.shards import sharded_corpus as shards
from tfner.data.shards.batches import PackedEpochs, ShardBatches
from tfner.data.shards.manifest import Encoding, Manifest
from tfner.data.shards.order import mix, windows_in_order
from tfner.data.shards.sharded_corpus import PIECE, ShardedCorpus, ShardReader, ShardWriter
from tfner.documents import Document
from tfner.exceptions import ConfigError, DataError
from tfner.training.non_finite import prepared_windows

PAD, LONGEST = 9, 40


def corpus_of(lengths, first: int = 0) -> EncodedCorpus:
    """Window i holds the id 100 + i and the label i % 3 at every piece.

    The mask is 1 at every second piece from its end.
    """
    lengths = np.array(lengths, np.int32)
    number = np.repeat(np.arange(first, first + len(lengths), dtype=np.int32), lengths)
    to_end = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(number))
    flat = (100 + number, number % 3, (to_end % 2).astype(np.float32))
    ids, labels, mask = (tf.RaggedTensor.from_row_lengths(values, lengths) for values in flat)
    return EncodedCorpus(ids, labels, mask, lengths - 2)


def write(folder: Path, corpora_of_each: list[list[EncodedCorpus]]) -> ShardedCorpus:
    """A folder with a shard for each list of corpora."""
    folder.mkdir(exist_ok=True)
    infos, lengths = [], Counter()
    for number, corpora in enumerate(corpora_of_each):
        writer = ShardWriter(folder, number, len(corpora_of_each))
        for corpus in corpora:
            writer.add(corpus)
        own, own_lengths = writer.finish()
        infos.append(own)
        lengths += own_lengths
    scheme = {"labels": tiny.LABELS.types, "tag_scheme": "IOB2", "labelling": "word"}
    values = {
        "encoding": Encoding(**scheme, max_length=LONGEST, overlap=8, tokenizer=""),
        "lost": {"repaired": 2, "vanished": 1},
        "lengths": dict(lengths),
    }
    for name in ("documents", "windows", "pieces"):
        values[name] = sum(getattr(info, name) for info in infos)
    manifest = Manifest(source="here", shards=infos, **values)
    manifest.write(folder)
    return ShardedCorpus(folder)


def sharded(folder: Path, lengths, shard_count: int = 3, calls: int = 2) -> ShardedCorpus:
    """The windows of `corpus_of(lengths)`, dealt out to shards, each written by some calls."""
    corpora, first = [], 0
    for own in np.array_split(np.array(lengths, np.int32), shard_count * calls):
        corpora.append(corpus_of(own, first))
        first += len(own)
    return write(folder, [corpora[number::shard_count] for number in range(shard_count)])


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of four windows and a shuffle buffer of ten: some dozen windows have many."""
    monkeypatch.setattr(shards, "BLOCK", 4)
    monkeypatch.setattr(shard_order.windows_in_order, "__defaults__", (10,))


def rows_of(batch) -> list[tuple]:
    """The windows of a batch as (ids, labels, mask), whichever kind it is."""
    x, y, mask = batch
    found = []
    for row, ids in enumerate(x["input_ids"]):
        segments = x["segment_ids"][row] if "segment_ids" in x else x["attention_mask"][row]
        assert (ids[segments == 0] == PAD).all()
        assert (y[row][segments == 0] == 0).all()
        assert (mask[row][segments == 0] == 0).all()
        for number in range(1, segments.max(initial=0) + 1):
            own = segments == number
            if "position_ids" in x:
                assert x["position_ids"][row][own].tolist() == list(range(own.sum()))
            members = ids[own], y[row][own], mask[row][own]
            found.append(tuple(tuple(member.tolist()) for member in members))
    return found


def windows_of(corpus: EncodedCorpus) -> list[tuple]:
    members = (corpus.input_ids, corpus.labels, corpus.label_mask)
    windows = zip(*(member.to_list() for member in members), strict=True)
    return [tuple(map(tuple, window)) for window in windows]


def settings_of(
    batching: str, batch_size: int = 4, seed: int = 1
) -> PaddedSettings | PackedSettings:
    if batching == "packed":
        return PackedSettings(batch_size, LONGEST, PAD, seed)
    return PaddedSettings(batch_size, batching, (8, 16, 32), PAD, seed)


def epochs_of(batches, epochs: int, first_epoch: int = 0) -> list[list[list[tuple]]]:
    """The windows of each batch of each epoch."""
    stream = batches.training(epochs, first_epoch).as_numpy_iterator()
    found = [
        [rows_of(batch) for batch in islice(stream, batches.steps_per_epoch)]
        for _ in range(first_epoch, epochs)
    ]
    assert next(stream, None) is None
    return found


many = np.random.default_rng(3).integers(3, LONGEST + 1, 157).tolist()
BATCHINGS = ["bucketed", "padded", "packed"]


@settings(max_examples=10)
@given(
    lengths=st.lists(st.integers(3, LONGEST), max_size=50),
    shard_count=st.integers(1, 4),
    batch_size=st.integers(1, 9),
    batching=st.sampled_from(BATCHINGS),
    seed=st.integers(0, 2**31 - 1),
)
def test_each_epoch_holds_every_window_once(
    tmp_path_factory, lengths, shard_count, batch_size, batching, seed
):
    corpus = sharded(tmp_path_factory.mktemp("shards") / "x", lengths, shard_count)
    batches = ShardBatches(corpus, settings_of(batching, batch_size, seed))
    want = Counter(windows_of(corpus_of(lengths)))
    for epoch in epochs_of(batches, 2):
        assert Counter(window for batch in epoch for window in batch) == want
        assert all(epoch)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("batching", BATCHINGS)
def test_order_is_a_function_of_seed_and_epoch(tmp_path, batching):
    corpus = sharded(tmp_path / "x", many)
    assert len(corpus.blocks) > 36

    def order(seed: int, epochs: int = 3, first_epoch: int = 0):
        batches = ShardBatches(corpus, settings_of(batching, seed=seed))
        return epochs_of(batches, epochs, first_epoch)

    three = order(1)
    assert three == order(1)
    assert three[0] != three[1] != three[2] != three[0]
    assert order(2, 1)[0] != three[0]
    assert order(1, 3, 2) == three[2:]  # a run that goes on sees what it would have seen
    assert order(1, 3, 3) == []


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("batching", BATCHINGS)
def test_an_epoch_can_be_entered_at_any_step_on_disk_and_in_memory(tmp_path, batching):
    on_disk = ShardBatches(sharded(tmp_path / "x", many), settings_of(batching))
    kind = PackedBatches if batching == "packed" else Batches
    in_memory = kind(corpus_of(many), settings_of(batching))
    for batches in (on_disk, in_memory):
        whole = [rows_of(batch) for batch in batches.training(2).as_numpy_iterator()]
        steps = batches.steps_per_epoch
        for step in (1, steps - 1, steps):
            rest = [rows_of(batch) for batch in batches.training(2, 0, step).as_numpy_iterator()]
            assert rest == whole[step:]
        second = [rows_of(batch) for batch in batches.training(2, 1, 2).as_numpy_iterator()]
        assert second == whole[steps + 2 :]


@pytest.mark.parametrize("batching", BATCHINGS)
def test_a_plan_says_which_windows_are_in_a_batch(batching):
    corpus = corpus_of(many)
    kind = PackedBatches if batching == "packed" else Batches
    batches = kind(corpus, settings_of(batching))
    found = [rows_of(batch) for batch in batches.training(2).as_numpy_iterator()]
    windows = windows_of(corpus)
    plan = batches.plan(0) + batches.plan(1)
    assert found == [[windows[number] for number in step] for step in plan]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("batching", BATCHINGS)
def test_the_windows_of_a_step_are_found_by_lengths_alone_and_named(tmp_path, batching):
    corpus = sharded(tmp_path / "x", many)
    batches = ShardBatches(corpus, settings_of(batching))
    whole = [rows_of(batch) for batch in batches.training(2).as_numpy_iterator()]
    vocabulary = tuple(f"piece-{number}-" for number in range(100 + len(many)))
    with ShardReader(corpus) as reader:
        by_shard = {info.file: [] for info in corpus.manifest.shards}
        for block, shard in enumerate(corpus.blocks.shard.tolist()):
            by_shard[corpus.manifest.shards[shard].file] += reader.windows(block)
    for epoch, step in ((0, 0), (0, 3), (1, 2)):
        want = sorted(ids[0] for ids, _, _ in whole[epoch * batches.steps_per_epoch + step])
        named = [
            re.match(r"(\S+) window (\d+) \('piece-(\d+)-", name)
            for name in prepared_windows(batches, vocabulary, epoch, step)
        ]
        assert sorted(int(match[3]) for match in named) == want
        for match in named:
            window = by_shard[match[1]][int(match[2]) - 1]
            assert np.frombuffer(window, PIECE)["id"][0] == int(match[3])


def test_windows_are_those_that_encode_gives(tmp_path):
    words = ("anna", "met", "boris", "near", "osloburg", "U.S.", "[SEP]", "\x00", "東京")
    random = np.random.default_rng(5)
    documents = [
        Document.from_words(random.choice(words, count).tolist(), [(0, 1, "PER")])
        for count in random.integers(1, 60, 40)
    ]
    options = {"max_length": 24, "overlap": 6, "labelling": "word"}
    whole = encode(documents, tiny.tokenizer(), tiny.LABELS, Ledger(), **options)
    corpora = []
    for begin in range(0, 40, 7):
        some = documents[begin : begin + 7]
        corpora.append(encode(some, tiny.tokenizer(), tiny.LABELS, Ledger(), **options))
    corpus = write(tmp_path / "x", [corpora[0::2], corpora[1::2]])
    (epoch,) = epochs_of(ShardBatches(corpus, PaddedSettings(5, "padded", (), PAD, 1)), 1)
    assert Counter(window for batch in epoch for window in batch) == Counter(windows_of(whole))
    assert corpus.manifest.documents == 40
    assert corpus.manifest.pieces == whole.pieces.sum()
    assert corpus.manifest.lengths == Counter(whole.lengths.tolist())
    assert corpus.counts.tolist() == np.bincount(whole.lengths).tolist()


@pytest.mark.parametrize("batching", BATCHINGS)
def test_batches_have_the_sizes_and_shapes_that_they_have_in_memory(tmp_path, batching):
    on_disk = ShardBatches(sharded(tmp_path / "x", many), settings_of(batching))
    kind = PackedBatches if batching == "packed" else Batches
    in_memory = kind(corpus_of(many), settings_of(batching))
    assert on_disk.steps_per_epoch == in_memory.steps_per_epoch
    assert on_disk.training(1).element_spec == in_memory.training(1).element_spec
    shapes = []
    for batches in (on_disk, in_memory):
        shapes.append(Counter(len(batch[1]) for batch in batches.training(1).as_numpy_iterator()))
        for x, _, _ in batches.training(1).as_numpy_iterator():
            real = x["segment_ids" if batching == "packed" else "attention_mask"] > 0
            padded = min(-(-real.sum(1).max() // 8) * 8, max(many))
            assert real.shape[1] == (LONGEST if batching == "packed" else padded)
    assert shapes[0] == shapes[1]


def test_an_order_that_packs_into_too_many_rows_is_drawn_again(tmp_path, monkeypatch):
    corpus = sharded(tmp_path / "x", many, 1)
    rows = {(1, 0): 50, (1, 1): 51, (1, 1, 1): 50, (1, 2): 60}
    rows |= {(1, 2, number): 60 for number in range(1, 8)}
    monkeypatch.setattr(PackedEpochs, "_count", lambda self, seeds: rows[tuple(seeds)])
    epochs = PackedEpochs(corpus, PackedSettings(1, LONGEST, PAD, 1))
    assert epochs.shape(ONE_REPLICA) == (1, LONGEST)
    assert epochs.draw(0) == ([1, 0], 50)
    assert epochs.draw(1) == ([1, 1, 1], 50)
    assert epochs.draw(2) == ([1, 0], 50)


@given(
    blocks=st.lists(st.integers(0, 9), max_size=20),
    size=st.integers(0, 30),
    seed=st.integers(0, 99),
)
def test_a_shuffle_buffer_gives_everything_once_whatever_it_holds(blocks, size, seed):
    def numbered():
        return [[(block, index) for index in range(count)] for block, count in enumerate(blocks)]

    def in_order(read):
        return list(windows_in_order(len(blocks), read, np.random.default_rng(seed), size))

    found = list(mix(iter(numbered()), np.random.default_rng(seed), size))
    assert sorted(found) == [window for block in numbered() for window in block]
    assert in_order(numbered().__getitem__) == in_order(numbered().__getitem__)


def test_a_shuffle_buffer_mixes_distant_windows():
    found = list(mix(([block] * 10 for block in range(100)), np.random.default_rng(1), 300))
    spread = [
        max(found[begin : begin + 50]) - min(found[begin : begin + 50])
        for begin in range(0, 1000, 50)
    ]
    assert min(spread) > 15


def test_a_shard_is_a_tfrecord_file_of_examples_as_documented(tmp_path):
    corpus = sharded(tmp_path / "x", many, 1, 1)
    path = corpus.folder / "shard-00000-of-00001.tfrecord"
    dtypes = {"input_ids": tf.int32, "labels": tf.int16, "label_mask": tf.uint8}
    features = dict.fromkeys(("lengths", *dtypes), tf.io.FixedLenFeature([], tf.string))
    found = []
    for record in tf.data.TFRecordDataset(str(path)):
        example = tf.io.parse_single_example(record, features)
        lengths = tf.io.decode_raw(example["lengths"], tf.int32)
        rows = []
        for name, dtype in dtypes.items():
            flat = tf.io.decode_raw(example[name], dtype)
            rows.append(tf.RaggedTensor.from_row_lengths(flat, lengths).to_list())
        found += [tuple(map(tuple, window)) for window in zip(*rows, strict=True)]
    assert found == windows_of(corpus_of(many))


def test_what_was_lost_is_in_the_ledger_by_reason(tmp_path):
    ledger = sharded(tmp_path / "x", [5]).ledger
    assert ledger.counts == {"repaired": 2, "vanished": 1}
    assert ledger.entries[0].where == str(tmp_path / "x" / "losses.jsonl")


def test_a_shard_has_no_name_before_it_is_whole(tmp_path):
    writer = ShardWriter(tmp_path, 0, 1)
    writer.add(corpus_of([5, 6]))
    assert not (tmp_path / "shard-00000-of-00001.tfrecord").exists()
    writer.finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "shard-00000-of-00001.index",
        "shard-00000-of-00001.tfrecord",
    ]


def write_one(folder: Path) -> None:
    writer = ShardWriter(folder, 0, 1)
    writer.add(corpus_of([5, 6]))
    writer.finish()


def test_a_full_disk_is_said_with_the_name_of_the_shard(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here: the device that is always full")
    (tmp_path / "shard-00000-of-00001.tfrecord.tmp").symlink_to("/dev/full")
    with pytest.raises(
        DataError,
        match=r"shard-00000-of-00001.tfrecord: cannot be written: .*No space left on device",
    ) as error:
        write_one(tmp_path)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(
        error.value
    )  # as it comes from another process
    assert not (tmp_path / "shard-00000-of-00001.tfrecord").exists()


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(
        DataError, match=r"shard-00000-of-00001.tfrecord: cannot be written: .*No such file"
    ):
        write_one(tmp_path / "nowhere")


def read_all(folder: Path) -> None:
    corpus = ShardedCorpus(folder)
    with ShardReader(corpus) as reader:
        for block in range(len(corpus.blocks)):
            assert all(len(window) % PIECE.itemsize == 0 for window in reader.windows(block))


SHARD, INDEX = "shard-00001-of-00003.tfrecord", "shard-00001-of-00003.index"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def take_anothers(path: Path) -> None:
    path.write_bytes(path.with_name(path.name.replace("00001", "00000", 1)).read_bytes())


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        (SHARD, Path.unlink, r"shard-00001-of-00003.tfrecord: cannot be read: No such file"),
        (
            SHARD,
            cut,
            r"shard-00001-of-00003.tfrecord: expected \d+ bytes, got \d+: prepare the data again",
        ),
        (
            SHARD,
            flip,
            r"shard-00001-of-00003.tfrecord: expected \d+ bytes from byte \d+ on with the "
            r"checksum \w+, got \d+ with \w+",
        ),
        (INDEX, Path.unlink, r"shard-00001-of-00003.index: cannot be read: No such file"),
        (INDEX, cut, r"shard-00001-of-00003.index: expected content that fits its checksum"),
        (INDEX, flip, r"shard-00001-of-00003.index: expected content that fits its checksum"),
        (
            INDEX,
            take_anothers,
            r"expected the index of shard-00001-of-00003.tfrecord with \d+ windows, "
            r".*got that of shard-00000-of",
        ),
        (
            "manifest.json",
            Path.unlink,
            r"manifest.json: cannot be read: .* python -m tfner.prepare wrote to its end",
        ),
        ("manifest.json", cut, r"manifest.json:\d+:\d+: not valid JSON"),
        (
            "manifest.json",
            lambda path: path.write_text("[]"),
            r"manifest.json: expected a JSON object, got \[\]",
        ),
    ],
)
def test_damage_is_named_with_the_file_and_what_is_wrong(tmp_path, file, damage, message):
    sharded(tmp_path / "x", many)
    damage(tmp_path / "x" / file)
    with pytest.raises(DataError, match=message):
        read_all(tmp_path / "x")


def test_a_manifest_of_another_kind_is_named_with_its_key(tmp_path):
    sharded(tmp_path / "x", [5])
    path = tmp_path / "x" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2, "windows": "few"}))
    with pytest.raises(ConfigError, match=r"manifest.json: format: .* windows: "):
        ShardedCorpus(tmp_path / "x")


def test_damage_in_the_middle_of_training_is_kept_for_the_message(tmp_path):
    batches = ShardBatches(sharded(tmp_path / "x", many), settings_of("padded"))
    flip(tmp_path / "x" / SHARD)
    with pytest.raises(tf.errors.OpError):
        list(batches.training(1))
    assert SHARD in str(batches.failure)
