"""CSV and TSV: whatever dialect a table was written in, it says the same."""

from __future__ import annotations

import csv
import io
import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimmed import trimmed

from tfner.corpus.ledger import Ledger
from tfner.documents import Document
from tfner.exceptions import DataError
from tfner.formats import read_documents
from tfner.formats.cells import parse_list
from tfner.formats.csv_dialect import detect_dialects
from tfner.formats.reading import read_unmarked
from tfner.formats.settings import ReadSettings
from tfner.tagging.schemes import write_tags

KAGGLE = (
    "Sentence #,Word,POS,Tag\nSentence: 1,Thousands,NNS,O\n,of,IN,O\n,London,NNP,B-geo\n"
    ',"""",``,O\n,",",",",O\nSentence: 2,Iran,NNP,B-geo\n,\'s,POS,O\n'
)
KAGGLE_SAYS = [
    (["Thousands", "of", "London", '"', ","], [("London", "geo")]),
    (["Iran", "'s"], [("Iran", "geo")]),
]
MARA = [(["Mara", "left"], [("Mara", "PER")]), (["So"], [])]
MARKED = '[{"start": 0, "end": 4, "label": "PER"}]'
TRIED = (
    "tried comma, tab, semicolon, bar, caret, tilde, and below a header such as Word and Tag "
    "colon, blank, slash, hash, star, exclamation mark"
)


def read(path: Path, content: str | bytes, **settings) -> tuple[list[Document], Ledger]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    ledger = Ledger()
    return list(read_documents(path, ReadSettings(**settings), ledger)), ledger


def says(documents: list[Document]) -> list[tuple[list[str], list[tuple[str, str]]]]:
    return [
        (
            document.word_texts() or document.text.split(),
            [(entity.text, entity.label) for entity in document.entities],
        )
        for document in documents
    ]


def as_csv(rows: list[list[str]], **dialect) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n", **dialect).writerows(rows)
    return file.getvalue()


def test_the_layout_of_kaggle_is_read(tmp_path):
    documents, ledger = read(tmp_path / "ner_dataset.csv", KAGGLE)
    assert says(documents) == KAGGLE_SAYS
    assert [document.id for document in documents] == ["ner_dataset.csv:2", "ner_dataset.csv:7"]
    assert ledger.counts == {}
    repeated = KAGGLE.replace("\n,", "\nSentence: 1,").replace("1,'s", "2,'s")
    assert says(read(tmp_path / "b.csv", repeated)[0]) == KAGGLE_SAYS
    assert says(list(read_unmarked(tmp_path / "b.csv", ReadSettings()))) == [
        (words, []) for words, _ in KAGGLE_SAYS
    ]


SAME = {
    "named columns": "word,tag\nMara,B-PER\nleft,O\n\nSo,O\n",
    "blank rows": "word,tag\nMara,B-PER\nleft,O\n,\nSo,O\n\n\n",
    "numbered": "sentence_id;token;ner\n1;Mara;B-PER\n1;left;O\n2;So;O\n",
    "numbers of pandas": "sentence_idx,token,ner\n1.0,Mara,B-PER\n,left,O\n2.0,So,O\n",
    "TSV": "Token\tTag\nMara\tB-PER\nleft\tO\n\nSo\tO\n",
    "bars": "Token|Tag\nMara|B-PER\nleft|O\n\nSo|O\n",
    "blanks behind delimiters": 'word, tag\n"Mara", B-PER\nleft, O\n\nSo, O\n',
    "all quoted": '"word","tag"\n"Mara","B-PER"\n"left","O"\n\n"So","O"\n',
    "apostrophes for quotes": "'word','tag'\n'Mara','B-PER'\n'left','O'\n\n'So','O'\n",
    "byte order mark and CRLF": "\ufeffword,tag\r\nMara,B-PER\r\nleft,O\r\n\r\nSo,O\r\n",
    "BIOES": "word,tag\nMara,S-PER\nleft,O\n\nSo,O\n",
    "no header": "Mara,B-PER\nleft,O\n\nSo,O\n",
    "names that nobody knows": "Nr;Wort;Etikett\n1;Mara;B-PER\n2;left;O\n\n3;So;O\n",
    "phrases beside": "word,phrase,ner\nMara,B-NP,B-PER\nleft,B-VP,O\n\nSo,O,O\n",
    "empty cells behind": "word,tag\nMara,B-PER,,\nleft,O,,\n\nSo,O\n",
    "entities": f'text,entities\nMara left,"{MARKED.replace(chr(34), chr(34) * 2)}"\nSo,[]\n',
    "entities of Python": "text,entities\nMara left,\"[(0, 4, 'PER')]\"\nSo,\n",
    "entities in TSV": f"text\tentities\nMara left\t{MARKED}\nSo\t[]\n",
    "one entity": 'text;label\nMara left;{"start": 0, "end": 4, "label": "PER"}\nSo;\n',
    "tags in a row": "text,labels\nMara left,B-PER O\nSo,O\n",
    "tags as a list": "Sentence #,Sentence,POS,Tag\nSentence: 1,Mara left,\"['NN', 'VB']\","
    "\"['B-PER', 'O']\"\nSentence: 2,So,['RB'],['O']\n",
    "lists of NumPy": "tokens,ner_tags\n['Mara' 'left'],['B-PER' 'O']\n['So'],['O']\n",
    "lists of JSON": 'tokens;tags\n["Mara", "left"];["B-PER", "O"]\n["So"];["O"]\n',
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_sentences_in_many_tables(tmp_path, name, caplog):
    documents, ledger = read(tmp_path / "a.csv", SAME[name], strict=True)
    assert says(documents) == MARA
    assert ledger.counts == {}
    assert caplog.records == []
    unmarked = list(read_unmarked(tmp_path / "a.csv", ReadSettings()))
    assert says(unmarked) == [(words, []) for words, _ in MARA]


@pytest.mark.parametrize("name", ["a.tsv", "a.conll", "a.data"])
def test_a_header_is_recognized_whatever_the_name(tmp_path, name):
    assert says(read(tmp_path / name, SAME["TSV"], strict=True)[0]) == MARA
    assert says(read(tmp_path / name, "Mara\tB-PER\nleft\tO\n\nSo\tO\n")[0]) == MARA
    if name != "a.data":
        (tmp_path / name).write_text(SAME["TSV"])
        assert len(list(read_unmarked(tmp_path / name, ReadSettings()))) == 2


def test_columns_are_chosen_by_name_and_by_number(tmp_path):
    content = "stem,form,coarse,fine,line\nmar,Mara,B-PER,B-QUEEN,1\nlef,left,O,O,1\nso,So,O,O,2\n"
    by_name = {"token_column": "stem", "tag_column": "coarse", "sentence_column": "line"}
    by_number = {"token_column": 0, "tag_column": "-3", "sentence_column": "4"}
    expected = [(["mar", "lef"], [("mar", "PER")]), (["so"], [])]
    for settings in (by_name, by_number):
        assert says(read(tmp_path / "a.csv", content, **settings)[0]) == expected
    kept = {**by_name, "token_column": "FORM", "tag_column": "fine"}
    assert says(read(tmp_path / "a.csv", content, **kept)[0])[0][1] == [("Mara", "QUEEN")]


def test_records_keep_their_id_group_and_slice(tmp_path):
    content = "id,group,text,slice,entities\n7,g,Mara left,s,[]\n"
    (document,), _ = read(tmp_path / "a.csv", content)
    assert document == Document("Mara left", id="7", group="g", slice="s")


def test_texts_alone_are_read_for_prediction(tmp_path):
    (tmp_path / "a.csv").write_text('text\n"Mara, or\nBo"\nleft\n')
    documents = list(read_unmarked(tmp_path / "a.csv", ReadSettings()))
    assert [(document.text, document.id) for document in documents] == [
        ("Mara, or\nBo", "a.csv:2"),
        ("left", "a.csv:4"),
    ]


def test_slips_and_untagged_words_are_counted(tmp_path):
    content = "word,tag\nMara,B_PER\nleft,\n" + "so,O\n" * 150
    documents, ledger = read(tmp_path / "a.csv", content)
    assert documents[0].entities[0].label == "PER"
    assert ledger.entries == [
        ("repaired", f"{tmp_path}/a.csv:2", "B_PER read as B-PER"),
        ("untagged", f"{tmp_path}/a.csv:3", "left"),
    ]


CSV_READS = "format csv (--format csv, of predict --input-format csv) reads"
CHOICES = [
    (
        "a.csv",
        "word,ner_fine,ner\nMara,B-QUEEN,B-PER\nleft,O,O\n",
        "columns 'ner_fine', 'ner' could be tags: 'ner' is read; tag_column (--tag-column) names "
        "another",
        {"tag_column": "ner"},
    ),
    (
        "a.csv",
        "token,word,tag\n17,Mara,B-PER\n25,left,O\n",
        "columns 'token', 'word' could be tokens: 'word' is read; token_column (--token-column) "
        "names another",
        {"token_column": "word"},
    ),
    (
        "a.csv",
        "mot;lemme;etiquette\nMara;Mara;B-PER\npart;partir;O\n",
        "columns 'mot', 'lemme' could be tokens: 'mot' is read; token_column (--token-column) "
        "names another",
        {"token_column": "mot"},
    ),
    (
        "a.csv",
        "word,tag\n" + "so,O\n" * 201,
        "no column of sentences and no blank line, so all 201 words are one document; "
        "sentence_column (--sentence-column) names the column that parts them",
        None,
    ),
    (
        "a.conll",
        "Mara B-QUEEN B-PER\nleft O O\n",
        "columns 1, 2 could be tags: 2 is read; tag_column (--tag-column) names another",
        {"tag_column": 2},
    ),
    (
        "a.conll",
        "17 Mara NN B-PER\n25 left VB O\n",
        "the tokens of column 0 are numbers, such as '25'; token_column (--token-column) names "
        "another",
        {"token_column": 0},
    ),
    (
        "a.conll",
        "Token Tag\n" + "Mara B-PER\n" * 100,
        f"'Token Tag' looks like a header and is read as words; {CSV_READS} headers",
        None,
    ),
    (
        "a.conll",
        "Wort Klasse\n" + "Mara B-PER\n" * 100,
        f"'Wort Klasse' looks like a header and is read as words; {CSV_READS} headers",
        None,
    ),
    (
        "a.csv",
        "Satz,Wort,Marke\nSatz: 0,Mara,B-PER\n,kam,O\nSatz: 1,Bo,B-PER\n,auch,O\n",
        "column 'Satz' is taken to tell sentences apart; sentence_column (--sentence-column) "
        "names another",
        {"sentence_column": "Satz"},
    ),
    (
        "a.csv",
        "Satz,Wort,Marke\n0,Mara,B-PER\n0,kam,O\n1,Bo,B-PER\n1,auch,O\n",
        "column 'Satz' is taken to tell sentences apart; sentence_column (--sentence-column) "
        "names another",
        {"sentence_column": 0},
    ),
    (
        "a.conll",
        "Mara,B-PER\nleft,O\n",
        "found one column, so the words have no tags; tried tab and blanks; ',' parts words and "
        f"tags: {CSV_READS} them",
        None,
    ),
]


@pytest.mark.parametrize(("name", "content", "message", "settings"), CHOICES)
def test_a_choice_is_said_with_the_option_that_changes_it(
    tmp_path, caplog, name, content, message, settings
):
    path = tmp_path / name
    with caplog.at_level(logging.WARNING):
        documents, _ = read(path, content)
    assert caplog.messages == [f"{path}: {message}"]
    if settings is not None:
        caplog.clear()
        assert read(path, content, **settings)[0] == documents
        assert caplog.messages == []


def test_slips_in_the_first_line_are_no_header(tmp_path, caplog):
    documents, ledger = read(tmp_path / "a.conll", "Mara B_PER\n" + "so O\n" * 200)
    assert (len(documents), [entry.reason for entry in ledger.entries]) == (1, ["repaired"])
    assert caplog.messages == []


def test_blank_lines_part_sentences_whatever_a_column_numbers(tmp_path, caplog):
    content = "Absatz,Wort,Marke\n1,Mara,B-PER\n1,kam,O\n\n1,Bo,O\n2,Oslo,B-LOC\n2,auch,O\n"
    documents, _ = read(tmp_path / "a.csv", content)
    assert [document.text for document in documents] == ["Mara kam", "Bo Oslo auch"]
    assert caplog.messages == []


def test_prediction_says_nothing_of_tags_that_it_does_not_read(tmp_path, caplog):
    (tmp_path / "a.csv").write_text("word,fine,ner\nMara,B-QUEEN,B-PER\nleft,O,O\n")
    (document,) = read_unmarked(tmp_path / "a.csv", ReadSettings())
    assert (document.text, caplog.messages) == ("Mara left", [])


def test_columns_of_phrases_beside_those_of_entities_are_no_choice(tmp_path, caplog):
    read(tmp_path / "a.conll", "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n")
    assert caplog.messages == []


def test_lines_that_look_like_columns_are_said_where_they_are_read_as_texts(tmp_path, caplog):
    (tmp_path / "a.txt").write_text("Mara B-PER\nleft O\n\nSo O\n")
    assert len(list(read_unmarked(tmp_path / "a.txt", ReadSettings()))) == 4
    assert caplog.messages == [
        f"{tmp_path}/a.txt: its lines look like words and tags, such as 'Mara B-PER': each is read "
        "as a text; --input-format columns reads the words of sentences"
    ]
    caplog.clear()
    (tmp_path / "a.txt").write_text("Mara left in October.\nSo O\nWhat now\nO\n")
    list(read_unmarked(tmp_path / "a.txt", ReadSettings()))
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ("word tag\nMara B-PER\nleft O\nso O\n", "csv"),
        ("word,tag\nMara,B-PER\nleft,O\nso,O\n", "csv"),
        ("Sentence #,Word,POS,Tag\nSentence: 1,Mara,NN,B-PER\n,left,VB,O\n,so,RB,O\n", "csv"),
        ("Mara,B-PER\nleft,O\nso,O\n", "csv"),
        ("Mara B-PER NN\nleft O VB\nso O RB\n", "columns"),
        ("Wort Marke\nMara B-PER\nleft O\nso O\n", "columns"),
    ],
)
def test_so_are_lines_of_tables_with_the_format_that_reads_them(tmp_path, caplog, content, format):
    (tmp_path / "a.txt").write_text(content)
    assert len(list(read_unmarked(tmp_path / "a.txt", ReadSettings()))) == content.count("\n")
    (message,) = caplog.messages
    assert f"--input-format {format} reads the words of sentences" in message
    texts = [each.text for each in read_unmarked(tmp_path / "a.txt", ReadSettings(), format)]
    assert texts[-1].endswith("Mara left so")


ROW = 'expected a row of CSV (parted by comma, quoted by "):'
NO_TAGS = ": expected a column of tags or entities, found none among"
NO_LIST = "expected a list of entities in column entities, as JSON, got"
EXPECTED_TAG = "expected O or a tag such as B-PER in column tag, got"
NUMBERS = (
    "this file does not say what they mean; write names, or read the dataset itself, saved in a "
    "folder or as hub:NAME"
)
BAD = [
    ("one column", "Mara\nleft\n", {},
     f": expected columns, such as of tokens and tags, found one; {TRIED}"),
    ("texts alone", "text\nMara left\n", {}, f"{NO_TAGS} 'text'; set tag_column"),
    ("no tags", "word,pos\nMara,NN\n", {}, f"{NO_TAGS} 'word', 'pos'; set tag_column"),
    ("tags that are none", "word,tag\nMara,PER\n", {},
     f":2: {EXPECTED_TAG} 'PER'; set tag_column if the tags stand in another"),
    ("no such name", "word,tag\nMara,O\n", {"token_column": "wrod"},
     ": token_column is 'wrod', but the columns are 'word', 'tag'"),
    ("no such number", "word,tag\nMara,O\n", {"tag_column": 2},
     ": tag_column is 2, but there are 2 columns"),
    ("a wide row", "word,tag\nMara,B-PER\nso,O\nleft,O,X\n", {},
     ":4: expected 2 columns, as the first row has, got 3: ['left', 'O', 'X']"),
    ("a narrow row", "word,tag\nMara,B-PER\n\nleft\n", {},
     ":4: expected 2 columns, as the first row has, got 1: ['left']"),
    ("a quote that is not closed", 'word,tag\n"Mara, Bo",B-PER\nso,O\n"left,O\nso,O\n', {},
     f":4: {ROW} unexpected end of data"),
    ("text behind a quote", 'word,tag\n"Mara, Bo",B-PER\n"le"ft,O\n', {},
     f":3: {ROW} ',' expected after '\"'"),
    ("a carriage return", "word,tag\nMa\rra,B-PER\n", {},
     f":2: {ROW} new-line character seen in unquoted field"),
    ("a token of two lines", 'word,tag\n"so ""a""",O\n"Mara\nleft",O\n', {},
     ":3: expected a token on one line in column word, got 'Mara\\nleft'; if quotes are tokens "
     "here, format columns reads them as they are"),
    ("a long cell", 'word,tag\n"a,b",O\n"' + "a\n" * 40 + '",O\n', {"max_line": 50},
     f":3: {ROW} field larger than field limit (50)"),
    ("a long line", "word,tag\n" + "a" * 60 + ",O\n", {"max_line": 50},
     ":2: expected a line of at most 50 characters (max_line), got a longer one: "
     + repr("a" * 52)),
    ("not UTF-8", b"word,tag\nM\xe4ra,B-PER\n", {},
     ":2: expected text in utf-8, got the byte 0xe4; set encoding (now utf-8) to that of the "
     "file, for example cp1252"),
    ("entities that are none", "text,entities\nMara left,x\n", {}, f":2: {NO_LIST} 'x'"),
    ("entities cut off", "text;entities\nso;[]\nMara left;[[0, 4\n", {},
     f":3: {NO_LIST} '[[0, 4'"),
    ("an entity without its end", 'text;entities\nMara left;[[0, "PER"]]\n', {},
     ":2: expected an entity as [start, end, label] or as an object, got [0, 'PER']"),
    ("more tags than words", "text,labels\nMara left,O O O\n", {},
     ":2: expected as many tags as tokens, got 3 and 2"),
    ("numbers for tags", "tokens;ner_tags\n['Mara'];[1]\n", {},
     f":2: expected tags such as B-PER in tags, got [1]: {NUMBERS}"),
    ("an illegal tag", "word,tag\nMara,I-PER\n", {"strict": True, "scheme": "IOB2"},
     ":2: expected legal IOB2 tags, got I-PER at the beginning"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "settings", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_tables(tmp_path, content, settings, message):
    with pytest.raises(DataError) as caught:
        read(tmp_path / "a.csv", content, **settings)
    assert str(caught.value) == f"{tmp_path}/a.csv{message}"


def test_a_column_file_has_no_names(tmp_path):
    with pytest.raises(DataError) as caught:
        read(tmp_path / "a.conll", "Mara O\n", token_column="Word")
    assert str(caught.value) == (
        f"{tmp_path}/a.conll: token_column is 'Word': expected its number, because columns have no "
        "names in this format; format csv reads a header"
    )


CELL = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\0\x1a"),
    min_size=1,
    max_size=5,
).filter(lambda text: text == text.strip() and not text.startswith("\ufeff"))
WORDS = st.one_of(
    CELL, st.sampled_from(['"', "'", '""', ",", ";", "\t", "|", "O", "1", "'s", 'a"b', "\\"])
)
DIALECTS = [
    {"delimiter": delimiter, "quotechar": quote, "quoting": quoting, **escape}
    for delimiter in ",\t;|"
    for quote in "\"'"
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
    for escape in ({}, {"doublequote": False, "escapechar": "\\"})
    if not escape or (quote == '"' and quoting == csv.QUOTE_ALL)
]


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("csv") / "drawn.csv"


@given(
    sentences=st.lists(st.lists(WORDS, min_size=1, max_size=5), min_size=1, max_size=4),
    dialect=st.sampled_from(DIALECTS),
    numbering=st.sampled_from(["first", "each", "blank"]),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_what_any_dialect_writes_comes_back(file, sentences, dialect, numbering, newline):
    quote, delimiter = dialect["quotechar"], dialect["delimiter"]
    if "escapechar" in dialect:
        sentences = [[word.replace("\\", "/") for word in words] for words in sentences]
    # A file of a word or two does not say how it is quoted.
    sentences = [[f"a{delimiter}b", f"{quote}c{quote}", "d"] * 3, *sentences]
    rows = [["Sentence", "Word", "Tag"]]
    for number, words in enumerate(sentences):
        tags = write_tags([(0, 1, "PER")], len(words))
        for index, (word, tag) in enumerate(zip(words, tags, strict=True)):
            is_named = numbering == "each" or (numbering == "first" and index == 0)
            rows.append([str(number) if is_named else "", word, tag])
        rows.append([] if numbering == "blank" else ["", "", ""])
    file.write_bytes(as_csv(rows, **dialect).replace("\n", newline).encode())
    documents = list(read_documents(file, ReadSettings(strict=False), Ledger()))
    expected = [Document.from_words(words, [(0, 1, "PER")]) for words in sentences]
    assert [(one.text, one.entities) for one in documents] == [
        (one.text, one.entities) for one in map(trimmed, expected)
    ]
    unmarked = list(read_unmarked(file, ReadSettings()))
    assert [one.words for one in unmarked] == [one.words for one in documents]


@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\0")), min_size=1
    ),
    dialect=st.sampled_from(DIALECTS),
    write=st.sampled_from([json.dumps, repr]),
)
def test_texts_in_any_dialect_come_back(file, texts, dialect, write):
    if "escapechar" in dialect:
        texts = [text.replace("\\", "/") for text in texts]
    quote, delimiter = dialect["quotechar"], dialect["delimiter"]
    texts = [f"a{delimiter} {quote}b{quote} c" + "\n" * (index % 2) for index in range(4)] + texts
    rows = [["text", "entities"]]
    rows += [[f"x{text}", write([[0, 1, "PER"]])] for text in texts]
    content = as_csv(rows, **dialect)
    if "escapechar" in dialect and "\\\\" in content:  # repr has escapes of its own
        return
    file.write_bytes(content.encode())
    documents = list(read_documents(file, ReadSettings(), Ledger()))
    assert [document.text for document in documents] == [f"x{text}" for text in texts]
    assert all(document.entities[0].key == (0, 1, "PER") for document in documents)


@pytest.mark.parametrize(
    "line",
    [*(f"Word{delimiter}Tag" for delimiter in ";\t,| :~^/#*!"), "'Word','Tag'"],
)
def test_the_delimiter_that_csv_sniffer_finds_is_among_those_found(line):
    sniffed = csv.Sniffer().sniff("\n".join([line] * 5), ",\t;|: ~^/#*!")
    assert sniffed.delimiter in [dialect.delimiter for dialect in detect_dialects([line] * 5)]


@pytest.mark.parametrize("delimiter", ";\t,| :~^/#*!")
def test_each_delimiter_parts_columns_below_a_header(tmp_path, delimiter):
    rows = [("word", "tag"), ("Mara", "B-PER"), ("left", "O")]
    (document,), _ = read(tmp_path / "a.csv", as_csv(rows, delimiter=delimiter))
    assert (document.text, document.entities[0].key) == ("Mara left", (0, 4, "PER"))


@pytest.mark.parametrize(
    "cell",
    [
        "[" * 5000,
        "(" * 49 + ")" * 49 + "]",
        "-" * 100_000 + "1",
        "9" * 5000,
        "f'{x}'",
        "a.b",
    ],
)
def test_what_is_no_list_is_refused(cell):
    with pytest.raises(DataError, match=r"^a\.csv:2: expected entities, got "):
        parse_list(cell, "entities", "a.csv:2")


def test_python_is_read_as_a_value_and_never_run(tmp_path):
    for cell in ("__import__('os')", "[x for x in [1]]", "[print(1)]"):
        with pytest.raises(DataError, match="expected entities"):
            parse_list(cell, "entities", "a.csv:2")
