"""Soft labels: whose tags they are, which pieces they belong to, and how batches hold them."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
from numpy.testing import assert_allclose

from tfner.corpus.ledger import Ledger
from tfner.data.batching.batches import Batches, PaddedSettings
from tfner.data.batching.packed_batches import PackedBatches, PackedSettings
from tfner.data.batching.replica_range import ReplicaRange
from tfner.data.encoded_corpus import encode
from tfner.data.soft_labels import (
    add_soft_labels,
    join_corpora,
    piece_probabilities,
    tag_projection,
)
from tfner.documents import Document
from tfner.exceptions import ConfigError
from tfner.tagging.schemes import LabelSet

LABELS = LabelSet(("LOC", "PER"))
WORDS = ["anna", "lund's", "\u200e", "met", "U.S.", "oslo"]
DOCUMENTS = [
    Document.from_words(WORDS, [(0, 2, "PER"), (5, 6, "LOC")], id="words"),
    Document("boris, of paris-lima (U.S.) met 大阪 anna", id="text"),
    Document.from_words(["anna", "davidson"] * 30, [(3, 5, "PER")], id="long"),
]
OPTIONS = {"max_length": 16, "overlap": 4}


def answer(word: str, labels: LabelSet = LABELS) -> np.ndarray:
    """Say something of a word that tells which it is; nothing of one without a letter."""
    row = np.zeros(len(labels), np.float32)
    if word != "\u200e":
        first = sum(map(ord, word)) % len(labels)
        row[first] = 0.75
        row[(first + 1) % len(labels)] = 0.25
    return row


def ask(sentences):
    return [np.stack([answer(word) for word in words]) for words in sentences]


def encoded(documents=DOCUMENTS, labelling="word"):
    options = {**OPTIONS, "labelling": labelling}
    return encode(documents, tiny.tokenizer(), LABELS, Ledger(), **options)


def taught(documents=DOCUMENTS, labelling="word", *, gold=True):
    rows = piece_probabilities(documents, tiny.tokenizer(), LABELS, labelling, ask)
    return add_soft_labels(encoded(documents, labelling), rows, gold=gold)


def test_tags_of_another_teacher_are_added_up():
    teacher = LabelSet(("PER", "ORG", "LOC"), "BIOES")
    projection = tag_projection(teacher, LABELS)
    assert (projection.sum(axis=1) == 1).all()
    names = {"O": "O", "S-PER": "B-PER", "B-PER": "B-PER", "E-PER": "I-PER", "I-PER": "I-PER"}
    names |= {"S-LOC": "B-LOC", "E-LOC": "I-LOC", "B-ORG": "O", "S-ORG": "O", "E-ORG": "O"}
    for tag, wanted in names.items():
        assert LABELS.tags[projection[teacher.id(tag)].argmax()] == wanted
    same = LabelSet(("LOC", "PER"), "BIOES")
    assert_allclose(tag_projection(same, same), np.eye(len(same)))


@pytest.mark.parametrize(
    ("teacher", "student", "message"),
    [
        (LABELS, LabelSet(("LOC", "ORG")), r"got none of \['ORG'\] \(it knows LOC, PER\)$"),
        (LABELS, LabelSet(("LOC",), "BIOES"), "^expected tags in BIOES.*got IOB2.*=IOB2 learns"),
        (LabelSet(("LOC",), "IO"), LabelSet(("LOC",)), "^expected tags in IOB2 or BIOES, got IO,"),
    ],
)
def test_a_teacher_of_too_few_types_or_tags_is_refused(teacher, student, message):
    with pytest.raises(ConfigError, match=message):
        tag_projection(teacher, student)


UNITS_OF_TEXT = ["boris", ",", "of", "paris-lima", "(", "U.S.", ")", "met", "大", "阪", "anna"]


def test_each_labelled_piece_has_the_soft_label_of_its_unit_in_windows_too():
    corpus = taught()
    assert len(corpus.lengths) > 5  # the long text has several windows, which overlap
    seen = [word for word in WORDS if word != "\u200e"]
    units = [*seen, *UNITS_OF_TEXT, *["anna", "davidson"] * 30]
    wanted = np.stack([answer(word) for word in units])
    # word by word: at each labelled piece in the order of the windows
    assert int(corpus.label_mask.values.numpy().sum()) == len(units)
    assert_allclose(corpus.soft_labels.probabilities, wanted, atol=1e-3)
    pieces = corpus.pieces_of(np.arange(len(corpus.lengths)))
    anna = tiny.tokenizer().vocabulary.index("anna")
    at_anna = pieces.ids[pieces.label_mask > 0] == anna
    assert at_anna.sum() == units.count("anna")
    rows = pieces.soft_labels.probabilities
    assert_allclose(rows[at_anna], np.tile(answer("anna"), (32, 1)), atol=1e-3)


def test_units_are_asked_for_as_words_whatever_the_tokenizer_makes_of_them(tmp_path):
    folder = tiny.write_checkpoint(tmp_path / "letters", None)
    pieces = [piece for piece in tiny.vocabulary() if piece not in tiny.WORDS]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    letters = type(tiny.tokenizer()).from_checkpoint(folder)
    asked = []

    def note(sentences):
        asked.append([list(words) for words in sentences])
        return ask(sentences)

    by_tokenizer = [
        piece_probabilities(DOCUMENTS, tokenizer, LABELS, "word", note)
        for tokenizer in (tiny.tokenizer(), letters)
    ]
    assert_allclose(*by_tokenizer)
    assert asked == [[WORDS, UNITS_OF_TEXT, ["anna", "davidson"] * 30]] * 2
    options = {**OPTIONS, "max_length": 32, "labelling": "word"}
    corpus = encode(DOCUMENTS, letters, LABELS, Ledger(), **options)
    assert corpus.pieces[0] > encoded().pieces[0]
    add_soft_labels(corpus, by_tokenizer[1], gold=True)  # as many labelled pieces


@pytest.mark.parametrize("labelling", ["pretoken", "piece"])
def test_further_pieces_of_a_unit_learn_what_is_inside(labelling):
    document = Document.from_words(["lund's"])
    rows = piece_probabilities([document], tiny.tokenizer(), LABELS, labelling, ask)
    assert len(rows) > 1
    first = answer("lund's")
    assert_allclose(rows[0], first, atol=1e-3)
    inside = np.zeros(len(LABELS))
    for tag, share in zip(LABELS.tags, first, strict=True):
        inside[LABELS.id(tag.replace("B-", "I-"))] += share
    assert_allclose(rows[1:], np.tile(inside, (len(rows) - 1, 1)), atol=1e-3)


def test_a_unit_that_no_teacher_sees_has_gold_or_no_label_at_all():
    def blind(sentences):
        """See no word but `met`."""
        return [np.stack([answer(w) * (w == "met") for w in words]) for words in sentences]

    documents = DOCUMENTS[:1]
    rows = piece_probabilities(documents, tiny.tokenizer(), LABELS, "word", blind)
    gold = add_soft_labels(encoded(documents), rows, gold=True)
    flat = gold.label_mask.values.numpy() > 0
    tags = gold.labels.values.numpy()[flat]
    is_met = rows.sum(axis=1) > 0
    assert is_met.sum() == 1
    said = gold.soft_labels.probabilities
    assert_allclose(said[~is_met], np.eye(len(LABELS))[tags[~is_met]])
    assert_allclose(said[is_met][0], answer("met"), atol=1e-3)
    without = add_soft_labels(encoded(documents), rows, gold=False)
    assert without.label_mask.values.numpy().sum() == 1
    assert_allclose(without.soft_labels.probabilities[0], answer("met"), atol=1e-3)


def test_soft_labels_of_another_number_of_pieces_are_refused():
    with pytest.raises(ValueError, match=r"^expected soft labels of 60 pieces, got 1$"):
        add_soft_labels(encoded(DOCUMENTS[2:]), np.ones((1, 5), np.float16), gold=True)


def both():
    """Join a corpus with gold and one without."""
    return join_corpora([taught(), taught(DOCUMENTS[1:], gold=False)])


def rows_by_window(dataset) -> dict[tuple, np.ndarray]:
    """Soft label and gold of the labelled positions, under the ids and gold of their windows."""
    found = {}
    for x, y, mask in dataset.as_numpy_iterator():
        assert x["soft_labels"].dtype == x["gold_mask"].dtype == np.float32
        sums = x["soft_labels"].sum(axis=-1)
        assert_allclose(sums, mask > 0, atol=1e-6)
        for row in range(len(y)):
            segments = x.get("segment_ids", x.get("attention_mask"))[row]
            for segment in range(1, segments.max(initial=0) + 1):
                own = segments == segment
                labelled = own & (mask[row] > 0)
                gold = x["gold_mask"][row][labelled]
                assert len(set(gold)) <= 1  # a window has gold or has none
                key = (tuple(x["input_ids"][row][own]), *gold[:1], *y[row][labelled])
                found[key] = x["soft_labels"][row][labelled]
    return found


def batches_of(corpus, kind: str):
    pad = tiny.tokenizer().pad_id
    if kind == "packed":
        return PackedBatches(corpus, PackedSettings(4, 64, pad, seed=1))
    return Batches(corpus, PaddedSettings(4, kind, (8, 12), pad, seed=1))


@pytest.mark.parametrize("kind", ["bucketed", "packed"])
def test_a_window_has_the_same_soft_labels_however_it_is_batched(kind):
    corpus = both()
    wanted = rows_by_window(batches_of(corpus, "padded").training(1))
    assert {key[1] for key in wanted} == {0.0, 1.0}
    found = rows_by_window(batches_of(corpus, kind).training(1))
    assert found.keys() == wanted.keys()
    for key, rows in wanted.items():
        assert_allclose(found[key], rows, atol=1e-6)


def test_sentences_that_are_read_together_have_the_soft_labels_of_their_units():
    documents = [Document.from_words(["anna", "met"], group="a"), Document("in oslo", group="a")]
    options = {**OPTIONS, "labelling": "word", "context": "document"}
    corpora = []
    for gold in (True, False):
        corpus = encode(documents, tiny.tokenizer(), LABELS, Ledger(), **options)
        rows = piece_probabilities(documents, tiny.tokenizer(), LABELS, "word", ask)
        corpora.append(add_soft_labels(corpus, rows, gold=gold))
    joined = join_corpora(corpora)
    assert joined.passages.sum() == len(joined.pieces) == 4
    assert joined.piece_counts.sum() == joined.pieces.sum()
    wanted = [answer(word) for word in ["anna", "met", "in", "oslo"] * 2]
    windows = range(len(joined.lengths))
    assert_allclose(joined.pieces_of(windows).soft_labels.probabilities, wanted)


def test_replicas_without_a_row_have_soft_labels_of_the_same_shape():
    batches = batches_of(taught(DOCUMENTS[:1]), "packed")
    dataset = batches.training(1, replicas=ReplicaRange(0, 3, 3))
    shapes = [x["soft_labels"].shape for x, _, _ in dataset.as_numpy_iterator()]
    assert len(shapes) == 3 * batches.steps_per_epoch
    assert set(shapes) == {(1, 64, len(LABELS))}


def test_without_teachers_a_batch_has_the_members_that_it_had():
    ((x, _, _),) = batches_of(encoded(DOCUMENTS[:1]), "padded").training(1).as_numpy_iterator()
    assert sorted(x) == ["attention_mask", "input_ids"]
