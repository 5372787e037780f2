"""Documents to labelled windows: which pieces have a label, and every unit in just one window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny
import tiny_pieces
from hypothesis import given, settings
from hypothesis import strategies as st

from tfner.corpus.context import join
from tfner.corpus.ledger import Ledger
from tfner.data.encoded_corpus import encode, tokenize
from tfner.data.token_stats import collect_token_stats
from tfner.documents import Document, entity_at
from tfner.tagging.schemes import write_tags

UNSEEN = ("", "\x00", "\u200b\ufffd")
BRACKETED = ("[SEP]", "[CLS]", "[PAD]")
WORDS = ("anna", "annason", "osloburg", "U.S.", *BRACKETED, "東", "new york", "zyzzyva", *UNSEEN)
OPTIONS = {"max_length": 24, "overlap": 4, "labelling": "word"}


def encoded(documents, labels=tiny.LABELS, *, ledger=None, **options):
    ledger = Ledger() if ledger is None else ledger
    return encode(documents, tiny.tokenizer(), labels, ledger, **{**OPTIONS, **options})


def pieces_of(row) -> list[str]:
    vocabulary = tiny.vocabulary()
    return [vocabulary[number] for number in row]


def rows_of(corpus, labels=tiny.LABELS):
    """Each window as (pieces, tags where the mask is 1 and "" elsewhere)."""
    members = corpus.input_ids, corpus.labels, corpus.label_mask
    rows = []
    for ids, tags, masks in zip(*(member.to_list() for member in members), strict=True):
        masked = zip(tags, masks, strict=True)
        rows.append((pieces_of(ids), [labels.tag(tag) if mask else "" for tag, mask in masked]))
    return rows


def test_the_first_piece_of_each_word_carries_its_tag():
    document = Document.from_words(
        ["Anna", "Larsson", "in", "Osloburg"], [(0, 2, "PER"), (3, 4, "LOC")]
    )
    corpus = encoded([document])
    ((pieces, tags),) = rows_of(corpus)
    assert " ".join(pieces) == "[CLS] anna l ##a ##r ##s ##son in oslo ##burg [SEP]"
    assert tags == ["", "B-PER", "I-PER", "", "", "", "", "O", "B-LOC", "", ""]
    assert corpus.pieces.tolist() == [9]
    assert corpus.lengths.tolist() == [11]
    members = corpus.input_ids, corpus.labels, corpus.label_mask
    assert [member.dtype for member in members] == ["int32", "int32", "float32"]


@pytest.mark.parametrize(
    ("labelling", "labels", "expected"),
    [
        ("word", tiny.LABELS, ["", "B-LOC", "", "", "", "", "I-LOC", "", ""]),
        ("pretoken", tiny.LABELS, ["", "B-LOC", "I-LOC", "I-LOC", "", "I-LOC", "I-LOC", "", ""]),
        (
            "piece",
            tiny.LABELS,
            ["", "B-LOC", "I-LOC", "I-LOC", "I-LOC", "I-LOC", "I-LOC", "I-LOC", ""],
        ),
        ("pretoken", tiny.BIOES, ["", "B-LOC", "I-LOC", "I-LOC", "", "I-LOC", "E-LOC", "", ""]),
        (
            "piece",
            tiny.BIOES,
            ["", "B-LOC", "I-LOC", "I-LOC", "I-LOC", "I-LOC", "E-LOC", "E-LOC", ""],
        ),
    ],
)
def test_labelling_chooses_the_pieces(labelling, labels, expected):
    document = Document.from_words(["u.sa.", "osloburg"], [(0, 2, "LOC")])
    ((pieces, tags),) = rows_of(encoded([document], labels, labelling=labelling), labels)
    assert pieces == ["[CLS]", "u", ".", "s", "##a", ".", "oslo", "##burg", "[SEP]"]
    assert tags == expected


@pytest.mark.parametrize("tokenizer", [tiny.tokenizer, tiny_pieces.tokenizer])
def test_words_of_scripts_without_spaces_teach_what_raw_text_is_asked_for(tokenizer):
    """Each character is a unit of raw text, so each has a label in a word too."""
    words = ["中国人民", "在", "北京", "看见", "了", "Oslo"]
    starts = np.cumsum([0, *map(len, words)])
    text = "".join(words)
    spans = list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))
    entities = (entity_at(text, 0, 4, "PER"), entity_at(text, 5, 7, "LOC"))
    options = {"max_length": 32, "overlap": 8}
    given = Document(text, entities, words=tuple(spans))
    corpora = [
        encode([document], tokenizer(), tiny.LABELS, Ledger(), **options)
        for document in (given, replace(given, words=None))
    ]
    for name in ("input_ids", "labels", "label_mask"):
        of_words, of_text = (getattr(corpus, name).to_list() for corpus in corpora)
        assert of_words == of_text, name
    tags = [tiny.LABELS.tags[tag] for tag in corpora[0].labels.to_list()[0]]
    assert tags[1:8] == ["B-PER", "I-PER", "I-PER", "I-PER", "O", "B-LOC", "I-LOC"]


def test_special_tokens_written_in_a_text_are_ordinary_text():
    tokenizer = tiny.tokenizer()
    text = "[CLS] Anna [SEP] [PAD]"
    by_words = Document.from_words(text.split(), [(2, 3, "ORG")])
    in_text = Document(text, (entity_at(text, 5, 9, "PER"),))
    for document in (by_words, in_text):
        corpus = encoded([document])
        ids = corpus.input_ids[0].numpy()
        special = [tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id]
        assert np.isin(ids, special).tolist() == [True, *[False] * (len(ids) - 2), True]
    assert [tag for tag in rows_of(encoded([by_words]))[0][1] if tag] == ["O", "O", "B-ORG", "O"]
    assert [tag for tag in rows_of(encoded([in_text]))[0][1] if tag == "B-PER"] == ["B-PER"]


@st.composite
def worded_documents(draw):
    """Documents of given words with spans, and for each the tags of the words that have pieces."""
    documents, expected = [], []
    for number in range(draw(st.integers(0, 4))):
        words = draw(st.lists(st.sampled_from(WORDS), max_size=30))
        bounds = sorted(draw(st.sets(st.integers(0, len(words)), max_size=6)))
        spans = [
            (first, last, draw(st.sampled_from(tiny.LABELS.types)))
            for first, last in zip(bounds[::2], bounds[1::2], strict=False)
        ]
        visible = [number for number, word in enumerate(words) if word not in UNSEEN]
        seen = [
            (sum(n < first for n in visible), sum(n < last for n in visible), label)
            for first, last, label in spans
        ]
        documents.append(Document.from_words(words, spans, id=str(number)))
        expected.append((len(visible), [span for span in seen if span[0] < span[1]]))
    return documents, expected


@settings(max_examples=40)
@given(
    drawn=worded_documents(),
    max_length=st.integers(3, 40),
    share=st.floats(0, 0.5),
    labels=st.sampled_from([tiny.LABELS, tiny.BIOES]),
    labelling=st.sampled_from(["word", "pretoken", "piece"]),
)
def test_every_visible_word_is_labelled_in_exactly_one_window(
    drawn, max_length, share, labels, labelling
):
    documents, expected = drawn
    options = {"max_length": max_length, "overlap": int(share * (max_length - 2))}
    corpus = encoded(documents, labels, labelling=labelling, **options)
    members = corpus.input_ids, corpus.labels, corpus.label_mask
    ids, tags, masks = (member.to_list() for member in members)
    tokenizer = tiny.tokenizer()
    for row, mask in zip(ids, masks, strict=True):
        assert 3 <= len(row) <= max_length
        assert (row[0], row[-1]) == (tokenizer.cls_id, tokenizer.sep_id)
        assert (mask[0], mask[-1]) == (0.0, 0.0)
    assert all(0 <= tag < len(labels) for row in tags for tag in row)
    assert {value for row in masks for value in row} <= {0.0, 1.0}
    labelled = []
    for row, mask in zip(tags, masks, strict=True):
        labelled += [tag for tag, value in zip(row, mask, strict=True) if value]
    if labelling == "word":
        written = [write_tags(spans, count, labels.scheme) for count, spans in expected]
        assert [labels.tag(tag) for tag in labelled] == [tag for row in written for tag in row]
    if labelling == "piece":
        assert len(labelled) == corpus.pieces.sum()


def test_context_is_seen_but_not_labelled():
    document = Document.from_words(["anna"] * 10)
    corpus = encoded([document], max_length=8, overlap=2)
    assert corpus.label_mask.to_list() == [[0, 1, 1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1, 1, 0]]


def test_words_and_raw_texts_may_take_turns():
    documents = [
        Document("anna met boris"),
        Document.from_words(["anna", "met"]),
        Document("oslo"),
        Document.from_words([]),
        Document(""),
    ]
    pieces = [pieces[1:-1] for pieces, _ in rows_of(encoded(documents))]
    assert pieces == [["anna", "met", "boris"], ["anna", "met"], ["oslo"]]
    assert encoded(documents).pieces.tolist() == [3, 2, 1, 0, 0]


def test_an_empty_corpus_has_no_window():
    for documents in ([], [Document("")], [Document.from_words(["\x00"])]):
        corpus = encoded(documents)
        assert corpus.input_ids.nrows() == 0
        assert corpus.lengths.tolist() == []
        assert corpus.pieces.tolist() == [0] * len(documents)


def test_lone_surrogates_are_passed_over_and_move_no_span():
    text = "\ud800 oslo\udfff anna"
    document = Document(text, (entity_at(text, 8, 12, "PER"),))
    for either in (
        document,
        Document.from_word_spans(text, [(0, 1), (2, 7), (8, 12)], [(2, 3, "PER")]),
    ):
        ((pieces, tags),) = rows_of(encoded([either]))
        assert (pieces, tags) == (["[CLS]", "oslo", "anna", "[SEP]"], ["", "O", "B-PER", ""])


def test_what_cannot_be_labelled_is_told_with_the_documents_id():
    ledger = Ledger()
    text = "annason met boris"
    documents = [
        Document(text, (entity_at(text, 4, 7, "PER"),), id="raw"),
        Document.from_words(["\x00", "oslo"], [(0, 1, "LOC"), (1, 2, "GOD")], id="words"),
    ]
    encoded(documents, ledger=ledger)
    entered = [(entry.reason, entry.where) for entry in ledger.entries]
    assert entered == [("misaligned", "raw"), ("unknown_label", "words"), ("vanished", "words")]


def test_tokens_of_a_document_do_not_depend_on_its_neighbours():
    texts = ["anna met boris", "", "東京 U.S. [SEP]", "x" * 300, "osloburg \x00 !"]
    together = [
        tokens for _, tokens in tokenize([Document(text) for text in texts], tiny.tokenizer())
    ]
    for text, tokens in zip(texts, together, strict=True):
        ((_, alone),) = tokenize([Document(text)], tiny.tokenizer())
        for ours, theirs in zip(tokens, alone, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_facts_count_pieces_losses_and_unknown_characters():
    text = "anna ☃ met☃boris"
    documents = [
        Document(text, (entity_at(text, 1, 4, "PER"),)),
        Document.from_words(["anna", "\ud800☃"]),
        Document(""),
    ]
    stats = collect_token_stats(documents, tiny.tokenizer(), tiny.LABELS, Ledger())
    assert stats.unknown_characters == {"☃": 3}
    assert stats.units == [3, 2, 0]
    assert stats.pieces == [3, 2, 0]
    assert stats.dropped == {"misaligned": 1}


class TestContext:
    """Sentences of one document in windows together."""

    @staticmethod
    def grouped(documents, size: int):
        return [
            replace(document, group=f"group {number // size}")
            for number, document in enumerate(documents)
        ]

    @staticmethod
    def joined(documents, counts):
        ends = np.cumsum(counts)
        starts = ends - counts
        return [
            join(documents[start:end]).document for start, end in zip(starts, ends, strict=True)
        ]

    @settings(max_examples=10)
    @given(drawn=worded_documents(), max_length=st.integers(6, 40))
    def test_windows_are_those_of_the_joined_texts(self, drawn, max_length):
        documents = self.grouped(drawn[0] * 3, 5)
        options = {"max_length": max_length, "overlap": 2}
        corpus = encoded(documents, context="document", **options)
        texts = self.joined(documents, corpus.passages)
        expected = encoded(texts, **options)
        assert rows_of(corpus) == rows_of(expected)
        assert corpus.piece_counts.tolist() == expected.pieces.tolist()
        assert corpus.pieces.tolist() == encoded(documents, **options).pieces.tolist()

    @pytest.mark.parametrize("texts", [("anna met", "boris. (oslo)", "'s e\u0301"), WORDS])
    def test_raw_text_too(self, texts):
        documents = self.grouped([Document(text) for text in texts] * 4, 6)
        corpus = encoded(documents, context="document", max_length=12)
        expected = encoded(self.joined(documents, corpus.passages), max_length=12)
        assert rows_of(corpus) == rows_of(expected)

    @settings(max_examples=10)
    @given(drawn=worded_documents())
    def test_each_unit_of_each_sentence_is_labelled_once(self, drawn):
        documents, expected = drawn
        corpus = encoded(self.grouped(documents, 4), context="document", max_length=10, overlap=3)
        alone = encoded(documents, max_length=10, overlap=3)
        labelled = [tag for _, tags in rows_of(corpus) for tag in tags if tag]
        assert labelled == [tag for _, tags in rows_of(alone) for tag in tags if tag]
        assert len(labelled) == sum(visible for visible, _ in expected)

    def test_some_windows_hold_several_sentences_and_some_one(self):
        words = ["anna", "met", "boris"]
        documents = self.grouped([Document.from_words(words, [(0, 1, "PER")])] * 40, 40)
        corpus = encoded(documents, context="document", max_length=64)
        people = [tags.count("B-PER") for _, tags in rows_of(corpus)]
        assert sum(people) == 40
        assert 1 in people
        assert max(people) > 4

    def test_without_context_or_without_groups_nothing_changes(self):
        documents = [Document.from_words(["anna", "met", "boris"], [(0, 1, "PER")])] * 10
        alone = encoded(documents)
        assert alone.passages is None
        for grouped, context in ((self.grouped(documents, 5), "none"), (documents, "document")):
            corpus = encoded(grouped, context=context)
            assert rows_of(corpus) == rows_of(alone)
            assert corpus.piece_counts.tolist() == alone.pieces.tolist()

    def test_the_ledger_names_the_sentence(self):
        ledger = Ledger()
        bad = Document("annason", (entity_at("annason", 0, 4, "PER"),), id="second", group="a")
        good = Document("anna", id="first", group="a")
        encoded([good, bad], ledger=ledger, context="document")
        assert [(entry.reason, entry.where) for entry in ledger.entries] == [
            ("misaligned", "second")
        ]

    def test_of_no_documents_there_is_no_window(self):
        corpus = encoded([], context="document")
        assert corpus.lengths.tolist() == corpus.piece_counts.tolist() == []
