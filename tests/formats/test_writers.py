"""Writers: what is written can be read back, by conlleval's rules too.

Whatever stands in the text.
"""

from __future__ import annotations

import io
import json
import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support

from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity, entity_at
from tfner.evaluation.scores import score_entities
from tfner.exceptions import ConfigError, DataError
from tfner.formats import read_documents
from tfner.formats.brat import BratWriter
from tfner.formats.marked_text import TextWriter
from tfner.formats.registry import writable
from tfner.formats.settings import ReadSettings
from tfner.formats.writers import open_writer
from tfner.safeio.portable_names import LONGEST, FileNames
from tfner.tagging.schemes import read_spans
from tfner.tagging.word_tags import tags_on_words

LABELS = st.sampled_from(["PER", "creative-work", "two words"])
WORDS = st.lists(
    st.one_of(
        st.text(max_size=4),
        st.sampled_from(["", " ", "-X-", "a b", "\t", "\u00a0", "\x85", "x\u2028y"]),
    ),
    max_size=6,
)


@st.composite
def spans(draw, length):
    """Disjoint (first word, one past the last, label) in a sentence."""
    borders = sorted(draw(st.lists(st.integers(0, length), unique=True, max_size=length + 1)))
    return [(first, last, draw(LABELS)) for first, last in pairwise(borders) if draw(st.booleans())]


@st.composite
def predictions(draw, words=WORDS):
    """A document with words and gold entities, and predicted entities on the same words."""
    tokens = draw(words)
    gold, predicted = (
        Document.from_words(tokens, draw(spans(len(tokens))), id=draw(st.text(max_size=3)))
        for _ in range(2)
    )
    return gold, predicted.entities


def written(format, pairs):
    stream = io.StringIO()
    with open_writer(format, stream) as writer:
        for document, entities in pairs:
            writer.write(document, entities)
    return stream.getvalue()


def read_conlleval(output):
    """Sentences of (token, gold, predicted) as the Perl script reads them.

    Cut at single blanks, -X- breaks a sentence.
    """
    sentences, sentence = [], []
    for line in output.removesuffix("\n").split("\n"):
        columns = line.split(" ") if line else []
        if not columns or columns[0] == "-X-":
            sentences, sentence = ([*sentences, sentence] if sentence else sentences), []
        else:
            assert len(columns) == 3
            assert columns == line.split()  # ports of the script cut at any white space
            sentence.append(tuple(columns))
    assert sentence == []
    return sentences


def brute_force_tags(document, entities):
    """IOB2 word by word; `entities` are disjoint."""
    tags = []
    for start, end in document.words:
        inside = [
            e
            for e in entities
            if (start < e.end and e.start < end) or (e.start <= start and end <= e.end)
        ]
        owner = inside[0] if inside else None
        tags.append((owner, owner.label) if owner else None)
    return [
        "O" if tag is None else f"{'I' if before and before[0] is tag[0] else 'B'}-{tag[1]}"
        for before, tag in zip([None, *tags], tags, strict=False)
    ]


@given(st.lists(predictions(), max_size=4))
@example([(Document.from_words(["-X-", "b"], [(0, 2, "PER")]), ())])
def test_conlleval_and_seqeval_on_the_columns_give_our_scores(pairs):
    sentences = read_conlleval(written("conlleval", pairs))
    assert [len(sentence) for sentence in sentences] == [
        len(document.words) for document, _ in pairs if document.words
    ]
    scores = score_entities((document.entities, predicted) for document, predicted in pairs)
    gold, predicted = (
        [[row[column] for row in sentence] for sentence in sentences] for column in (1, 2)
    )
    for average in ("micro", "macro"):
        if scores.types:
            expected = precision_recall_fscore_support(
                gold, predicted, average=average, zero_division=0
            )
            assert getattr(scores, average) == pytest.approx(expected, abs=1e-12)
    names = sorted({label for tags in gold + predicted for label, _, _ in get_entities(tags)})
    assert names == [name.replace(" ", "␣") for name in scores.types]


def test_conlleval_lines_as_they_stand_in_the_file():
    document = Document.from_words(["New York", "", "-X-", "is"], [(0, 2, "LOC")])
    output = written("conlleval", [(document, [entity_at(document.text, 0, 8, "ORG")])])
    assert output == "New␣York B-LOC B-ORG\n␣ I-LOC O\n-X-␣ O O\nis O O\n\n"


@given(st.lists(predictions(), max_size=4))
def test_columns_hold_every_token_and_entity(pairs):
    blocks = written("columns", pairs).split("\n")
    for document, predicted in pairs:
        rows = [blocks.pop(0).split("\t") for _ in document.words]
        assert blocks.pop(0) == ""
        assert [row[0] for row in rows] == [
            re.sub("[\t\r\n]", "␣", word) for word in document.word_texts()
        ]
        read, _ = read_spans([row[1] for row in rows], "IOB2")
        assert [
            (document.words[first][0], document.words[last - 1][1], label)
            for first, last, label in read
        ] == [e.key for e in predicted]
    assert blocks == [""]


@given(st.lists(predictions(), max_size=3))
def test_json_lines_read_back_as_they_were(pairs):
    lines = written("jsonl", pairs).splitlines()  # cuts at U+2028 too
    assert len(lines) == len(pairs)
    for line, (document, predicted) in zip(lines, pairs, strict=True):
        assert json.loads(line) == {
            "id": document.id,
            "text": document.text,
            "entities": [
                {"start": e.start, "end": e.end, "label": e.label, "score": 1.0, "text": e.text}
                for e in predicted
            ],
        }


def test_json_lines_keep_every_script_and_take_the_text_from_the_document():
    output = written("jsonl", [(Document("東京 🚀", id="7"), [Entity(0, 2, "LOC", 0.123456789)])])
    entity = '{"start": 0, "end": 2, "label": "LOC", "score": 0.123457, "text": "東京"}'
    assert output == f'{{"id": "7", "text": "東京 🚀", "entities": [{entity}]}}\n'


@pytest.mark.parametrize("format", [format.name for format in writable()])
def test_a_lone_surrogate_stops_no_writer(format, tmp_path):
    if format == "spacy":
        pytest.importorskip("spacy", reason="the extra spacy is not installed")
    document = Document.from_words(["a\udc80", "b"], [(0, 1, "A")], id="\udc80")
    with open_writer(format, tmp_path / "out") as writer:
        writer.write(document, document.entities)
    if format == "jsonl":
        assert json.loads((tmp_path / "out").read_text(encoding="utf-8"))["text"] == "a\udc80 b"


def test_a_path_is_closed_and_a_stream_is_left_open(tmp_path):
    stream = io.StringIO()
    for target in (stream, tmp_path / "new" / "out.tsv"):
        with open_writer("columns", target) as writer:
            writer.write(Document.from_words(["a"]), ())
    assert stream.getvalue() == (tmp_path / "new" / "out.tsv").read_text() == "a\tO\n\n"
    with pytest.raises(ValueError, match="closed"):
        writer.write(Document.from_words(["a"]), ())


def test_each_document_is_written_as_it_comes():
    stream = io.StringIO()
    with open_writer("jsonl", stream) as writer:
        for number in range(3):
            writer.write(Document("x"), ())
            assert stream.getvalue().count("\n") == number + 1


def test_unknown_formats_and_targets_are_named():
    with pytest.raises(ConfigError, match=r"expected one of brat, columns, .*, text, got 'xml'"):
        open_writer("xml", io.StringIO())
    with pytest.raises(ConfigError, match="expected a folder"):
        open_writer("brat", io.StringIO())


@given(predictions())
def test_tags_on_words_equal_brute_force(pair):
    document, predicted = pair
    assert tags_on_words(document, predicted) == brute_force_tags(document, predicted)


PLACES = st.tuples(st.integers(0, 12), st.integers(0, 12))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=6),
    st.lists(PLACES, max_size=1),
)
def test_tags_at_any_borders_equal_brute_force(gaps_and_lengths, places):
    words, position = [], 0
    for gap, length in gaps_and_lengths:
        words.append((position + gap, position + gap + length))
        position += gap + length
    document = Document("x" * 40, words=tuple(words))
    entities = [Entity(*sorted(place), "A") for place in places]
    assert tags_on_words(document, entities) == brute_force_tags(document, entities)


def test_an_entity_inside_a_word_takes_the_whole_word():
    document = Document.from_words(["pre-Columbian", "art"])
    assert tags_on_words(document, [entity_at(document.text, 4, 12, "MISC")]) == ["B-MISC", "O"]


def test_what_columns_cannot_hold_is_entered():
    document = Document("Bank of England  x", words=((0, 4), (5, 7), (8, 15), (17, 18)), id="d")
    entities = [
        entity_at(document.text, *span)
        for span in ((8, 15, "LOC"), (0, 15, "ORG"), (15, 16, "GAP"), (0, 1, "IN"))
    ]
    ledger = Ledger()
    assert tags_on_words(document, entities, ledger) == ["B-ORG", "I-ORG", "I-ORG", "O"]
    assert ledger.counts == {"overlapping": 2, "invalid_span": 1}
    assert ledger.entries[0] == ("invalid_span", "d", "GAP 15-16 ' '")


def test_two_entities_in_one_word_leave_one():
    document, ledger = Document("e-mail", words=((0, 6),)), Ledger()
    assert tags_on_words(document, [Entity(0, 1, "A"), Entity(2, 6, "B")], ledger) == ["B-A"]
    assert ledger.counts == {"overlapping": 1}


def test_of_two_equal_entities_in_one_word_the_one_that_is_left_out_is_counted():
    document, ledger = Document("New-New", words=((0, 7),)), Ledger()
    entities = [entity_at("New-New", 0, 3, "A"), entity_at("New-New", 4, 7, "A")]
    assert tags_on_words(document, entities, ledger) == ["B-A"]
    assert ledger.counts == {"overlapping": 1}


def test_writers_keep_an_account():
    document = Document("ab", words=((0, 2),))
    for format in ("columns", "text"):
        with open_writer(format, io.StringIO()) as writer:
            writer.write(document, [Entity(0, 2, "A"), Entity(0, 1, "B")])
        assert writer.ledger.counts == {"overlapping": 1}, format


def test_raw_text_has_no_words_to_tag():
    with pytest.raises(ValueError, match="document 'd' has no words"):
        tags_on_words(Document("raw", id="d"), ())


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def colours(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown(stream, text, *entities):
    with TextWriter(stream) as writer:
        writer.write(Document(text), [entity_at(text, *entity) for entity in entities])
    return stream.getvalue()


@pytest.mark.usefixtures("colours")
def test_text_is_plain_where_there_is_no_terminal():
    text = "Anna [bold]met[/bold] Bo" + " and so on" * 30
    assert (
        shown(io.StringIO(), text, (0, 4, "PER"), (22, 24, "PER"))
        == f"[Anna](PER) [bold]met[/bold] [Bo](PER){text[24:]}\n"
    )


@pytest.mark.usefixtures("colours")
def test_text_is_coloured_in_a_terminal_and_brackets_stay():
    text = "Anna [bold]met[/bold] Bo\nagain" + " and so on" * 30
    output = shown(Terminal(), text, (0, 4, "[red]"), (22, 24, "PER"))
    assert re.sub("\x1b\\[[0-9;]*m", "", output) == f"Anna [red] {text[5:24]} PER{text[24:]}\n"
    assert re.search("\x1b\\[[0-9;]+mAnna\x1b\\[0m", output)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
@pytest.mark.usefixtures("colours")
def test_a_terminal_without_colours_gets_the_plain_form(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert shown(Terminal(), "Anna", (0, 4, "PER")) == "[Anna](PER)\n"


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_control_characters_do_not_reach_the_terminal(stream):
    output = shown(stream(), "a\x1b]0;title\x07b\x9b", (0, 1, "A\x1b[2J"))
    assert not re.search("\x1b[^\\[]|\x1b\\[[0-9;]*[^0-9;m]|[\x07\x9b]", output)
    assert "␛]0;title␇b" in output


def test_brat_writes_text_and_standoff(tmp_path):
    text = "Anna Lee\r\nmet Bo 🚀 in Oslo"
    entities = [
        entity_at(text, *span) for span in ((0, 8, "PER"), (14, 16, "PER SON"), (22, 26, "LOC"))
    ]
    with BratWriter(tmp_path / "out") as writer:
        writer.write(Document(text, id="a/b.txt:3"), entities)
    assert (tmp_path / "out" / "a_b.txt_3.txt").read_bytes() == text.encode()
    lines = "T1\tPER 0 8\tAnna Lee\nT2\tPER_SON 14 16\tBo\nT3\tLOC 22 26\tOslo\n"
    assert (tmp_path / "out" / "a_b.txt_3.ann").read_bytes() == lines.encode()


def test_a_brat_annotation_over_a_line_end_has_a_fragment_a_line(tmp_path):
    text = "in New\r\nYork"
    with BratWriter(tmp_path) as writer:
        writer.write(Document(text, id="d"), [entity_at(text, 3, 12, "LOC")])
    assert (tmp_path / "d.ann").read_text() == "T1\tLOC 3 6;8 12\tNew York\n"


def test_brat_does_not_mix_with_an_older_run(tmp_path):
    (tmp_path / "old.ann").touch()
    with pytest.raises(DataError, match="expected a new or empty folder"):
        BratWriter(tmp_path)


AWKWARD_IDS = ["..", "a/../b", "a", "A", "a-2", "é", "e\u0301", ".x", "x" * 400]


@given(st.lists(st.one_of(st.text(max_size=5), st.sampled_from(AWKWARD_IDS)), max_size=12))
@example(["a", "a", "a-2", "a"])
@example(["é", "é", "東" * 100])
def test_file_names_are_safe_and_unlike(ids):
    names = FileNames()
    given_names = [names.name(id) for id in ids]
    assert len({name.casefold() for name in given_names}) == len(ids)
    for name in given_names:
        assert re.fullmatch(r"[\w-][\w.-]*", name)
        assert ".." not in name
        assert len(name.encode()) <= LONGEST + 8


def test_safe_ids_keep_their_name():
    names = FileNames()
    assert [names.name(id) for id in ("doc-1.v2", "", "doc-1.v2", "DOC-1.V2")] == [
        "doc-1.v2",
        "document",
        "doc-1.v2-2",
        "DOC-1.V2-3",
    ]


def test_many_documents_without_an_id_get_names_in_time():
    names = FileNames()
    assert len({names.name("") for _ in range(20_000)}) == 20_000


@pytest.mark.parametrize(
    ("format", "name"), [("jsonl", "out.jsonl"), ("columns", "out.tsv"), ("brat", "out")]
)
def test_our_readers_read_what_our_writers_write(format, name, tmp_path):
    document = Document.from_words(["New", "York", "", "x y"], [(0, 2, "LOC"), (3, 4, "PER")])
    with open_writer(format, tmp_path / name) as writer:
        writer.write(document, document.entities)
    (back,) = read_documents(tmp_path / name, ReadSettings(), ledger := Ledger())
    assert (back.text, back.entities, ledger.counts) == (document.text, document.entities, {})


@pytest.mark.realdata
@pytest.mark.parametrize(
    "name", ["btc/dev.conll", "sec_filings/train.conll", "uner_zh_gsdsimp/dev.iob2"]
)
def test_columns_of_real_corpora_are_read_back_as_they_were(name, data_dir, tmp_path):
    documents = list(read_documents(data_dir / name, ReadSettings(), Ledger()))
    with open_writer("columns", tmp_path / "out.tsv") as writer:
        for document in documents:
            writer.write(document, document.entities)
    assert writer.ledger.counts == {}
    back = list(read_documents(tmp_path / "out.tsv", ReadSettings(), Ledger()))
    assert [document.word_texts() for document in back] == [
        document.word_texts() for document in documents
    ]
    assert [[(e.label, e.text) for e in tagged(d)] for d in back] == [
        [(e.label, e.text) for e in tagged(d)] for d in documents
    ]


def tagged(document):
    """The entities with their words joined by one space, whatever stood between them."""
    spans, _ = read_spans(tags_on_words(document, document.entities), "IOB2")
    return Document.from_words(document.word_texts(), spans).entities
