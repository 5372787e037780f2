"""Recognizer: entities of texts, words and documents, the same over an export as over the model it
was made from."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from fake_server import TOY
from hypothesis import given, settings
from hypothesis import strategies as st

import tfner
from tfner.corpus.context import join_sentences
from tfner.documents import Document, Entity
from tfner.exceptions import ModelError
from tfner.serving.export.layout import CARD
from tfner.serving.runtime import recognizer as module
from tfner.serving.runtime.recognizer import Recognizer, strip_row
from tfner.serving.runtime.saved_model import find_version, load_recognizer, read_card
from tfner.serving.schema import SIGNATURES
from tfner.tagging.schemes import read_spans

TALKATIVE = ("TF_CPP_MIN_LOG_LEVEL", "TF_USE_LEGACY_KERAS")  # set here, not in a user's shell
TEXTS = [
    "Anna Svensson met Boris in New Oslo near the ACME Corp. house, 東京都 U.S. "
    "and sold the Volta lab.",
    "",
    " \x00\n",
    "e\u0301a 👩🏽‍🚀 Åse Larsson; שלום [SEP] (Paris)",
    " ".join(tiny.WORDS * 3),
]
SENTENCES = [
    ["Anna", "met", "\x00", "", "New York", "東京", "!"],
    ["oslo"],
    [],
    [""],
    tiny.WORDS * 2,
]

APART = """
import importlib.abc, json, sys
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework import op_def_registry

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        packages = {"transformers", "tf_keras", "tokenizers"}
        if name.split(".")[0] in packages or name.startswith(("tfner.model", "tfner.training")):
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, Refuse())
assert not {"transformers", "tf_keras"} & set(sys.modules)

folder, texts, sentences = json.load(sys.stdin)
saved = SavedModel.FromString(open(folder + "/saved_model.pb", "rb").read())
graph = saved.meta_graphs[0].graph_def
nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
functions = {function.signature.name for function in graph.library.function}
ops = {node.op for node in nodes} - functions
unknown = sorted(op for op in ops if op_def_registry.get(op) is None)
compiled = sorted({node.name for node in nodes if node.attr["_XlaMustCompile"].b})

import tfner
recognizer = tfner.load(folder)
json.dump({
    "unknown": unknown,
    "compiled": compiled,
    "entities": [
        [[e.start, e.end, e.label, e.text, e.score] for e in found]
        for found in recognizer.batch(texts)
    ],
    "tags": recognizer.tag_batch(sentences),
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def apart() -> dict:
    """What a process of its own, without transformers, Keras and our model code, makes of the
    export."""
    environment = {
        name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"
    }
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(Path(tfner.__file__).parents[1]), environment.get("PYTHONPATH", "")]
    )
    asked = json.dumps([str(tiny.exported()), TEXTS, SENTENCES])
    done = subprocess.run(
        [sys.executable, "-c", APART],
        input=asked,
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def assert_same_entities(found: list[list[Entity]], other: list[list[Entity]]) -> None:
    assert [[(*e.key, e.text) for e in row] for row in found] == [
        [(*e.key, e.text) for e in row] for row in other
    ]
    for row, others in zip(found, other, strict=True):
        np.testing.assert_allclose([e.score for e in row], [e.score for e in others], atol=1e-5)


def test_a_process_without_transformers_and_keras_gives_what_the_model_gave(apart):
    live = tiny.live()
    found = [
        [Entity(start, end, label, score, text) for start, end, label, text, score in row]
        for row in apart["entities"]
    ]
    assert_same_entities(found, live.batch(TEXTS))
    assert sum(map(len, apart["entities"])) > 20
    for (tags, scores), (wanted, wanted_scores) in zip(
        apart["tags"], live.tag_batch(SENTENCES), strict=True
    ):
        assert tags == wanted
        np.testing.assert_allclose(scores, wanted_scores, atol=1e-5)


def test_the_graph_holds_one_op_that_is_not_tensorflows_own_and_nothing_for_a_compiler(apart):
    assert apart["unknown"] == ["FastWordpieceTokenizeWithOffsets"]
    assert apart["compiled"] == []


def test_reloaded_here_it_gives_the_same():
    assert_same_entities(tiny.loaded().batch(TEXTS), tiny.live().batch(TEXTS))
    card = dict(tiny.loaded().card)
    assert set(card.pop("signatures")) == set(SIGNATURES)
    assert card == tiny.live().card | {"created": card["created"]}


@settings(max_examples=40)
@given(
    st.text(
        st.one_of(
            st.characters(exclude_categories=()),
            st.sampled_from("aé\u0301👩🏽\u202eאב\x00\ud800 東.,-ß"),
        ),
        max_size=40,
    )
)
def test_the_text_of_an_entity_is_what_its_offsets_say(text):
    for entity in tiny.live()(text):
        assert text[entity.start : entity.end] == entity.text != ""


def test_entities_in_a_text_with_lone_surrogates_and_nul_keep_their_places():
    plain = "anna met boris in new oslo"
    for odd in ("\ud800", "\udfff", "\x00", "\u200b"):
        entities = tiny.live()(f"{odd}{odd}{plain}{odd}")
        assert [(e.start - 2, e.end - 2, e.label) for e in entities] == [
            e.key for e in tiny.live()(plain)
        ]


def test_no_texts_no_words():
    recognizer = tiny.live()
    assert (
        recognizer("")
        == recognizer.batch([])
        == recognizer.tag([])
        == recognizer.tag_batch([])
        == []
    )
    assert recognizer.batch(["", " "]) == [[], []]
    assert recognizer.tag_batch([[], []]) == [([], []), ([], [])]
    assert list(recognizer.documents([])) == []


def test_one_tag_for_each_word_whatever_is_in_it():
    words = ["Anna", "New York City", "", "\x00", "\ud800", "a\nb", "met"]
    tags = tiny.live().tag(words)
    assert len(tags) == len(words)
    assert set(tags) <= set(tiny.LABELS.tags)
    ((_, scores),) = tiny.live().tag_batch([words])
    assert [score > 0 for score in scores] == [True, True, False, False, False, True, True]
    assert tiny.live().tag(["", "", ""]) == ["O", "O", "O"]


def documents() -> list[Document]:
    """Texts and sentences in turns, long and short."""
    random = np.random.default_rng(6)
    made = []
    for number in range(30):
        words = [str(word) for word in random.choice(tiny.WORDS, random.integers(0, 25))]
        document = Document.from_words(words, id=str(number))
        made.append(document if number % 7 < 4 else replace(document, words=None))
    return made


@pytest.mark.parametrize(
    ("block", "count", "characters"),
    [(100, 1, 10**6), (7, 4, 10**6), (11, 256, 200), (1, 256, 1), (100, 256, 1)],
)
def test_documents_come_in_order_however_they_are_portioned(monkeypatch, block, count, characters):
    wanted = list(tiny.live().documents(documents()))
    monkeypatch.setattr(module, "DOCUMENTS_IN_BLOCK", block)
    monkeypatch.setattr(module, "DOCUMENTS_AT_ONCE", count)
    monkeypatch.setattr(module, "CHARACTERS_AT_ONCE", characters)
    assert_same_entities(list(tiny.live().documents(iter(documents()))), wanted)
    assert sum(map(len, wanted)) > 30


def test_no_more_than_a_block_is_read_before_its_entities_come(monkeypatch):
    monkeypatch.setattr(module, "DOCUMENTS_IN_BLOCK", 8)
    read = []

    def stream():
        for document in documents() * 100:
            read.append(document)
            yield document

    next(tiny.live().documents(stream()))
    assert len(read) == 9  # the first of the next block ends one


def asked_shapes(given: list[Document]) -> list[list[int]]:
    """[B, W] of the words that a recognizer asks about, and [B, characters of the longest] of the
    texts, in turn."""
    shapes = []
    live = tiny.live()

    def ask_words(rows):
        shapes.append([len(rows), len(rows[0])])
        return live._ask_words(rows)

    def ask_texts(texts):
        shapes.append([len(texts), max(map(len, texts))])
        return live._ask_texts(texts)

    list(Recognizer(ask_texts, ask_words, live.card).documents(given))
    return shapes


def test_a_long_neighbour_does_not_widen_the_others(monkeypatch):
    monkeypatch.setattr(module, "CHARACTERS_AT_ONCE", 2000)
    short, long = Document.from_words(["oslo"] * 4), Document.from_words(["oslo"] * 1000)
    assert asked_shapes([*[short] * 20, long, *[short] * 20]) == [[1, 1000], [40, 4]]


def test_like_is_asked_with_like_in_full_portions(monkeypatch):
    monkeypatch.setattr(module, "DOCUMENTS_AT_ONCE", 4)
    monkeypatch.setattr(module, "DOCUMENTS_IN_BLOCK", 12)
    mixed = [
        Document.from_words(["oslo"] * (1 + number % 2 * 9))
        if number % 3
        else Document("oslo" * number)
        for number in range(24)
    ]
    assert asked_shapes(mixed) == [[4, 10], [4, 1], [4, 36], [4, 10], [4, 1], [4, 84]]


def test_entities_on_words_have_the_words_own_places_and_mean_scores():
    words = ["anna", "\x00", "svensson", "met", "boris", "in", "oslo", "and", "paris"]
    document = Document.from_word_spans("; ".join(words), joined_by_two(words))
    ((tags, scores),) = tiny.live().tag_batch([words])
    spans, repairs = read_spans(tags, "IOB2")
    (entities,) = tiny.live().documents([document])
    assert repairs == []
    assert [(e.start, e.end, e.label) for e in entities] == [
        (document.words[first][0], document.words[last - 1][1], label)
        for first, last, label in spans
    ]
    for entity, (first, last, _) in zip(entities, spans, strict=True):
        assert entity.score == pytest.approx(
            np.mean([score for score in scores[first:last] if score])
        )
        assert entity.text == document.text[entity.start : entity.end]


def joined_by_two(words: list[str]) -> list[tuple[int, int]]:
    """The place of each word if two characters stand between words."""
    starts = [sum(len(before) + 2 for before in words[:number]) for number in range(len(words))]
    return [(start, start + len(word)) for start, word in zip(starts, words, strict=True)]


class TestContext:
    """Sentences of one document are asked together, and each gets its own entities."""

    @staticmethod
    def with_context(recognizer: Recognizer) -> Recognizer:
        asks = recognizer._ask_texts, recognizer._ask_words
        return Recognizer(*asks, {**recognizer.card, "context": "document"})

    @staticmethod
    def grouped() -> list[Document]:
        """Sentences of documents of seven; some have given words."""
        return [
            replace(document, group=f"group {number // 7}")
            for number, document in enumerate(documents())
        ]

    def test_each_sentence_has_what_is_found_in_the_text_that_all_make(self):
        recognizer = self.with_context(tiny.live())
        passages = list(join_sentences(self.grouped(), "document"))
        assert max(len(passage.sentences) for passage in passages) > 2
        whole = tiny.live().documents(passage.document for passage in passages)
        wanted = [
            entities
            for passage, found in zip(passages, whole, strict=True)
            for entities in passage.split(found)
        ]
        found = list(recognizer.documents(self.grouped()))
        assert_same_entities(found, wanted)
        assert sum(map(len, found)) > 30
        for document, entities in zip(self.grouped(), found, strict=True):
            for entity in entities:
                assert document.text[entity.start : entity.end] == entity.text != ""

    def test_without_it_each_is_asked_alone_whatever_its_group(self):
        alone = list(tiny.live().documents(documents()))
        assert list(tiny.live().documents(self.grouped())) == alone
        assert list(self.with_context(tiny.live()).documents(documents())) == alone

    def test_raw_text_that_the_graph_cuts_is_not_joined(self):
        recognizer = self.with_context(tiny.live())
        together = list(recognizer.documents(self.grouped()))
        recognizer.card["raw_text"] = "sentences"
        found = list(recognizer.documents(self.grouped()))
        alone = list(tiny.live().documents(documents()))
        worded = [document.words is not None for document in documents()]
        for has_words, *answers in zip(worded, found, together, alone, strict=True):
            if not has_words:
                assert answers[0] == answers[2]
        assert found != alone
        assert found != together

    def test_a_neighbour_is_seen(self):
        sentence = Document.from_words(["anna", "met", "boris"], group="a")
        asked = []

        def ask_words(rows):
            asked.extend(rows)
            return TOY._ask_words(rows)

        recognizer = Recognizer(TOY._ask_texts, ask_words, {"context": "document"})
        list(recognizer.documents([sentence, replace(sentence, group="b"), sentence, sentence]))
        assert sorted(len(strip_row(row)) for row in asked) == [3, 3, 6]

    @pytest.mark.parametrize("words", [True, False])
    def test_an_entity_over_the_end_of_a_sentence_is_cut_and_counted(self, words):
        def ask_texts(texts):
            found = {"entity_start": [[4]], "entity_end": [[16]], "entity_score": [[0.5]]}
            answer = {name: np.array(value) for name, value in found.items()}
            return answer | {"entity_label": np.array([[b"PER"]]), "entity_count": np.array([1])}

        recognizer = Recognizer(ask_texts, TOY._ask_words, {"context": "document"})
        first, second = Document.from_words(["see", "Anna"]), Document.from_words(["Lund-Bo", "x"])
        pair = [replace(each, group="a", id=each.text) for each in (first, second)]
        shown = pair if words else [replace(each, words=None) for each in pair]
        found = list(recognizer.documents(shown))
        assert [[entity.text for entity in of_one] for of_one in found] == [["Anna"], ["Lund-Bo"]]
        assert recognizer.entities_cut == 1

    @pytest.mark.parametrize("text", ["Anna met Boris", "Anna"])
    def test_a_sentence_by_itself_and_in_a_document_has_entities(self, text):
        sentence = Document.from_words(text.split(), group="a")
        recognizer = self.with_context(TOY)
        alone = list(recognizer.documents([sentence]))
        among = list(recognizer.documents([Document.from_words(["x"], group="a"), sentence]))
        assert alone[0] == among[1] != []

    def test_a_document_of_100_000_words_is_asked_in_bounded_questions(self):
        asked = []

        def ask_words(rows):
            asked.append(sum(len(word) + 1 for row in rows for word in row))
            return TOY._ask_words(rows)

        recognizer = Recognizer(TOY._ask_texts, ask_words, {"context": "document"})
        sentence = Document.from_words(["Anna", *["word"] * 19], group="book")
        found = list(recognizer.documents(sentence for _ in range(5000)))
        assert [len(entities) for entities in found] == [1] * 5000
        assert max(asked) <= module.CHARACTERS_AT_ONCE

    def test_a_context_that_there_is_not_is_refused(self, tmp_path):
        (tmp_path / CARD).parent.mkdir()
        (tmp_path / CARD).write_text('{"tag_scheme": "IOB2", "context": "book"}')
        with pytest.raises(ModelError, match=r"expected none or document as context, got 'book'"):
            read_card(tmp_path)


class TestLoading:
    def test_the_newest_complete_version(self, tmp_path):
        for version in ("2", "10", "9", "11", "notes", ".building-x"):
            (tmp_path / version).mkdir()
        for version in ("2", "10", "9", ".building-x"):
            (tmp_path / version / "saved_model.pb").touch()
        assert find_version(tmp_path) == tmp_path / "10"
        assert find_version(tmp_path / "2") == tmp_path / "2"

    def test_an_export_is_found_from_its_parent_too(self):
        assert find_version(tiny.exported().parent) == tiny.exported()
        assert tiny.loaded().card["name"] == "tiny"

    def test_what_is_no_export_is_named(self, tmp_path):
        with pytest.raises(ModelError, match=r"nowhere: no such folder"):
            load_recognizer(tmp_path / "nowhere")
        with pytest.raises(
            ModelError, match="expected a SavedModel or numbered versions of one, found neither"
        ):
            load_recognizer(tmp_path)
        (tmp_path / "saved_model.pb").write_bytes(b"nonsense")
        with pytest.raises(
            ModelError, match=r"not an export of tfner: .*tfner\.json cannot be read"
        ):
            load_recognizer(tmp_path)
        (tmp_path / CARD).parent.mkdir()
        for text, message in (
            ("[]", "object, got \\[\\]"),
            ('{"labels": []}', "object with tag_scheme, got \\['labels'\\]"),
        ):
            (tmp_path / CARD).write_text(text)
            with pytest.raises(ModelError, match=rf"tfner\.json: expected a JSON {message}"):
                load_recognizer(tmp_path)
        (tmp_path / CARD).write_text((tiny.exported() / CARD).read_text())
        with pytest.raises(ModelError, match=r"saved_model\.pb: cannot be read as a SavedModel: "):
            load_recognizer(tmp_path)


def test_what_is_found_knows_its_text():
    text = "anna lund met boris"
    found = tiny.loaded()(text)
    assert (found.text, [each.text for each in tiny.loaded().batch([text, "oslo"])]) == (
        text,
        [text, "oslo"],
    )
    sentence = Document.from_words(["anna", "met", "boris"])
    assert next(tiny.loaded().documents([sentence])).text == "anna met boris"


def test_a_recognizer_says_what_it_is():
    folder = str(tiny.exported())
    shown = repr(tiny.loaded())
    assert shown.startswith(f"Recognizer(model={folder!r}, labels='LOC, ORG, PER', ")
    assert f"max_length='{tiny.loaded().card['max_length']}'" in shown
    table = tiny.loaded()._repr_html_()
    assert f">{folder}</td>" in table
    assert ">LOC, ORG, PER</td>" in table
    odd = Recognizer(*[None] * 2, {"labels": ["<b>\n"]})  # type: ignore[list-item]
    assert "&lt;b&gt;␊" in odd._repr_html_()


def test_a_recognizer_is_pickled_by_its_path():
    recognizer = tiny.loaded()
    copied = pickle.loads(pickle.dumps(recognizer))
    assert copied.origin.name == str(tiny.exported())
    assert copied("anna met boris") == recognizer("anna met boris")
    with pytest.raises(TypeError, match="built in memory: export it and load that"):
        pickle.dumps(tiny.live())


def test_a_recognizer_of_a_server_is_pickled_by_its_url():
    recognizer = tfner.connect("http://127.0.0.1:9/v1/models/x", version=3, timeout=5.0)
    recognizer.context = "document"
    copied = pickle.loads(pickle.dumps(recognizer))
    assert copied.context == "document"
    assert repr(copied) == repr(recognizer)
    assert "model='http://127.0.0.1:9/v1/models/x', labels='the server does not say'" in repr(
        copied
    )


@pytest.mark.long
def test_loading_and_asking_says_nothing_on_standard_error():
    code = f"import tfner; print(tfner.load({str(tiny.exported())!r})('anna met boris').text)"
    variables = {key: value for key, value in os.environ.items() if key not in TALKATIVE}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=variables, timeout=240
    )
    assert (done.stdout, done.stderr) == ("anna met boris\n", "")
