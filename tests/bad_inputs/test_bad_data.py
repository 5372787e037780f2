"""Data files that cannot be read.

`inspect FILE` says where, what was expected and what came, in one line.
"""

from __future__ import annotations

import json
import zlib

import pytest
from command_line import CUT, refused

OTHER = "; set tag_column if the tags stand in another"
ENCODING = "; set encoding (now utf-8) to that of the file, for example cp1252"
LONG = "bad.jsonl:{}: expected a line of at most 4,096 characters (max_line), got a longer one: "
MANY_KEYS = ", ".join(f"key{number}" for number in range(1000))
NESTED = "[" * 1_000_000
BACKWARDS = '{"start": 1, "end": 1}, {"start": 0, "end": 1}'
SPAN = '{"text": "ab", "entities": [[0, 1, "X"]]}\n'

COLUMNS = [
    ("prose", b"The quick fox.\nIt ran away.\n", [],
     "bad.conll:1: expected O or a tag such as B-PER in column 2, got 'fox.'" + OTHER),
    ("no tag there", b"A B-X\nran quickly\n", [],
     "bad.conll:2: expected O or a tag such as B-PER in column 1, got 'quickly'" + OTHER),
    ("tag without type", b"a\tB\nb\tO\n", [],
     "bad.conll:1: expected O or a tag such as B-PER in column 1, got 'B'" + OTHER),
    ("a slip where none may be", b"a B_X\n" + b"b O\n" * 200, ["--strict"],
     "bad.conll:1: expected O or a tag such as B-PER in column 1, got 'B_X'" + OTHER),
    ("no tag where each must have one", b"a O\nb\n", ["--strict"],
     "bad.conll:2: expected O or a tag such as B-PER in column 1, got none for 'b'"),
    ("illegal sequence", b"a O\nb I-X\n", ["--strict", "--scheme", "IOB2"],
     "bad.conll:2: expected legal IOB2 tags, got I-X after O"),
    ("no such column", b"a\tO\n", ["--tag-column", "7"],
     "bad.conll: tag_column is 7, but most lines have 2 columns"),
    ("no token", b"1\ta\tO\n2\tb\tO\n3\n", [],
     "bad.conll:3: expected a token in column 1, got 1 columns: '3'"),
    ("not UTF-8", b"a O\n" * 9000 + b"b\xe4r O\n", [],
     "bad.conll:9001: expected text in utf-8, got the byte 0xe4" + ENCODING),
    ("UTF-16 taken for UTF-8", "a O\n".encode("utf-16"), [],
     "bad.conll:1: expected text in utf-8, got the byte 0xff" + ENCODING),
    ("no such encoding", b"a O\n", ["--encoding", "utf-9"],
     "encoding: there is no encoding 'utf-9'"),
    ("an encoding of bytes", b"a O\n", ["--encoding", "hex"],
     "encoding: there is no encoding 'hex'"),
    ("a long line", b"a O\n" + b"b" * 5000 + b" O\n", ["--max-line", "4096"],
     "bad.conll:2: expected a line of at most 4,096 characters (max_line), got a longer one: "
     + CUT.format("b" * 76)),
    ("a long line without its end", b"x" * 5000, ["--max-line", "4096"],
     "bad.conll:1: expected a line of at most 4,096 characters (max_line), got a longer one: "
     + CUT.format("x" * 76)),
    ("a long tag", b"a O\nb " + b"Y" * 5000 + b"\n", [],
     "bad.conll:2: expected O or a tag such as B-PER in column 1, got " + CUT.format("Y" * 76)
     + OTHER),
    ("control characters", b"a O\nb \x1b[31m\x07\n", [],
     "bad.conll:2: expected O or a tag such as B-PER in column 1, got '\\x1b[31m\\x07'" + OTHER),
    ("empty", b"", [], "bad.conll: expected documents, found none"),
    ("blank lines", b"\n\n  \n", [], "bad.conll: expected documents, found none"),
]  # fmt: skip

TABLES = [
    ("one column", b"Mara\nleft\n", [],
     "bad.csv: expected columns, such as of tokens and tags, found one; tried comma, tab, "
     "semicolon, bar, caret, tilde, and below a header such as Word and Tag colon, blank, slash, "
     "hash, star, exclamation mark"),
    ("no such column", b"word,tag\nMara,O\n", ["--token-column", "Wrod"],
     "bad.csv: token_column is 'Wrod', but the columns are 'word', 'tag'"),
    ("no such number", b"word,tag\nMara,O\n", ["--sentence-column", "-3"],
     "bad.csv: sentence_column is -3, but there are 2 columns"),
    ("no column at all", b"word,tag\nMara,O\n", ["--tag-column", " "],
     "command line: tag_column: expected the number or the name of a column, got ' '"),
    ("no tags", b"word,pos\nMara,NN\n", [],
     "bad.csv: expected a column of tags or entities, found none among 'word', 'pos'; set "
     "tag_column"),
    ("tag without prefix", b"word,tag\nMara,PER\n", [],
     "bad.csv:2: expected O or a tag such as B-PER in column tag, got 'PER'" + OTHER),
    ("a wide row", b"word,tag\nMara,B-PER\nso,O\nleft,O,X\n", [],
     "bad.csv:4: expected 2 columns, as the first row has, got 3: ['left', 'O', 'X']"),
    ("a quote that is not closed", b'word,tag\n"a, b",O\nso,O\n"left,O\n', [],
     "bad.csv:4: expected a row of CSV (parted by comma, quoted by \"): unexpected end of data"),
    ("entities that are none", b"text,entities\nMara left,\x1b[1m\n", [],
     "bad.csv:2: expected a list of entities in column entities, as JSON, got '\\x1b[1m'"),
    ("not UTF-8", b"word,tag\n" + b"a,O\n" * 9000 + b"b\xe4r,O\n", [],
     "bad.csv:9002: expected text in utf-8, got the byte 0xe4" + ENCODING),
    ("a long line", b"word,tag\n" + b"x" * 5000 + b",O\n", ["--max-line", "4096"],
     "bad.csv:2: expected a line of at most 4,096 characters (max_line), got a longer one: "
     + CUT.format("x" * 76)),
    ("control characters", b"word,tag\nb,\x1b[31m\x07\n", [],
     "bad.csv:2: expected O or a tag such as B-PER in column tag, got '\\x1b[31m\\x07'" + OTHER),
    ("empty", b"", [], "bad.csv: expected documents, found none"),
    ("a header alone", b"word,tag\n", [], "bad.csv: expected documents, found none"),
]  # fmt: skip

RECORDS = [
    ("no record", '"a"\n', [],
     "bad.jsonl:1: expected an object, or a pair of a text and an object, got 'a'"),
    ("no text", '{"n": 1}\n', [],
     "bad.jsonl:1: expected a record with text or tokens, got the keys n"),
    ("keys of control characters", '{"\\u001b[31m": 1}\n', [],
     "bad.jsonl:1: expected a record with text or tokens, got the keys ␛[31m"),
    ("many keys", "{" + ", ".join(f'"key{number}": 1' for number in range(1000)) + "}\n", [],
     "bad.jsonl:1: expected a record with text or tokens, got the keys " + MANY_KEYS[:197] + "..."),
    ("cut off", SPAN + '{"text": "a', [],
     "bad.jsonl:2:10: not valid JSON: unterminated string starting at"),
    ("nested a million deep", SPAN + NESTED + "\n", [],
     "bad.jsonl:2:501: not valid JSON: nested more than 500 deep"),
    ("objects in one another", SPAN + '{"a":' * 1_000_000, [],
     "bad.jsonl:2:2501: not valid JSON: nested more than 500 deep"),
    ("deep but read", SPAN + '{"text": ' + "[" * 400 + "]" * 400 + "}\n", [],
     "bad.jsonl:2: expected a record with text or tokens, got the keys text"),
    ("deep entities", SPAN + '{"text": "a", "entities": ' + "[" * 400 + "]" * 400 + "}\n", [],
     "bad.jsonl:2: expected an entity as [start, end, label] or as an object, got " + "[" * 77
     + "..."),
    ("a number of 5,000 digits", '{"id": ' + "1" * 5000 + "}\n", [],
     "bad.jsonl:1:8: not valid JSON: a whole number of more than 4300 digits"),
    ("not UTF-8", b'{"text": "\xff"}\n', [],
     "bad.jsonl:1: expected text in utf-8, got the byte 0xff" + ENCODING),
    ("half a character", '{"text": "\\ud83d"}\n', [],
     "bad.jsonl:1: expected whole characters, got half of one, U+D83D, at character 0"),
    ("span behind the text", '{"text": "ab", "entities": [[0, 3, "X"]]}\n', ["--strict"],
     "bad.jsonl:1: expected spans that fit the text, got X 0..3 in a text of 2 characters"),
    ("span of a huge number", '{"text": "ab", "entities": [[0, 1e999, "X"]]}\n', [],
     "bad.jsonl:1: expected end to be a whole number of characters, got inf in {'start': 0, "
     "'end': inf, 'label': 'X'}"),
    ("span without label", '{"text": "ab", "entities": [[0, 1, ""]]}\n', [],
     "bad.jsonl:1: expected an entity with a label, got {'start': 0, 'end': 1, 'label': ''}"),
    ("tags and tokens", '{"tokens": ["a"], "tags": ["O", "O"]}\n', [],
     "bad.jsonl:1: expected as many tags as tokens, got 2 and 1"),
    ("no tag", '{"tokens": ["a"], "tags": ["PER"]}\n', [],
     "bad.jsonl:1: token 0: expected O or a prefix of B, I, E, S, L, U with a type, such as "
     "B-PER, got 'PER'"),
    ("long tag", '{"tokens": ["a"], "tags": ["' + "P" * 5000 + '"]}\n', [],
     "bad.jsonl:1: token 0: expected O or a prefix of B, I, E, S, L, U with a type, such as "
     "B-PER, got " + CUT.format("P" * 76)),
    ("numbers for tags", '{"tokens": ["a"], "ner_tags": [3]}\n', [],
     "bad.jsonl:1: expected tags such as B-PER in ner_tags, got [3]: this file does not say what "
     "they mean; …"),
    ("tokens out of order", '{"text": "ab", "tokens": [' + ", ".join([BACKWARDS] * 250)
    + "]}\n", [],
     "bad.jsonl:1: expected tokens in order inside a text of 2 characters, got ["
     + "1, 1, 0, 1, " * 6 + "1, 1..."),
    ("a long line", SPAN + '{"text": "' + "x" * 5000 + '"}\n', ["--max-line", "4096"],
     LONG.format(2) + '\'{"text": "' + "x" * 66 + "..."),
]  # fmt: skip

ARRAYS = [
    ("nested a million deep", "[" + SPAN + ",\n" + NESTED, [],
     "bad.json:3:500: not valid JSON: nested more than 500 deep"),
    ("cut off", '[{"text": "a"},\n {"text": "b"', [],
     "bad.json:2:14: not valid JSON: expecting ',' delimiter"),
    ("larger than allowed", "[" + SPAN + "]", ["--max-file", "8"],
     "bad.json: cannot be read: expected at most 8 bytes, got 44 (max_file)"),
    ("empty", "", [], "bad.json:1:1: not valid JSON: expecting value"),
]  # fmt: skip

CONLLU = [
    ("no tag in MISC", b"1\tAda\t_\t_\t_\t_\t0\td\t_\tNER=PER\n", [],
     "bad.conllu:1: expected O or a tag such as B-PER in column MISC, got 'PER'" + OTHER),
    ("no tags at all", b"1\tAda\t_\t_\t_\t_\t0\td\t_\t_\n", [],
     "bad.conllu: expected NER=TAG in column MISC or a column of tags, found neither in ID, FORM, "
     "LEMMA, UPOS, XPOS, FEATS, HEAD, DEPREL, DEPS, MISC; set tag_column"),
    ("no tag in a named column", b"# global.columns = ID FORM NER\n1\tAda\tPER\n", [],
     "bad.conllu:2: expected O or a tag such as B-PER in column NER, got 'PER'" + OTHER),
    ("a name of 3,000 characters",
     b"# global.columns = ID FORM " + b"N" * 3000 + b"\n1\tA\tX\n", [],
     "bad.conllu: expected NER=TAG in column MISC or a column of tags, found neither in ID, FORM, "
     + "N" * 190 + "… (2,810 more characters); set tag_column"),
    ("not UTF-8", b"1\tAda\xff\t_\t_\t_\t_\t0\td\t_\tNER=B-PER\n", [],
     "bad.conllu:1: expected text in utf-8, got the byte 0xff" + ENCODING),
]  # fmt: skip

OTHER_RECORDS = [
    ("GLiNER: half a word", '{"tokenized_text": ["a"], "ner": [[0, 1.5, "X"]]}\n', [],
     "bad.jsonl:1: expected an entity as [first word, last word, label], got [0, 1.5, 'X']"),
    ("GLiNER: words that are a text", '{"tokenized_text": "a", "ner": []}\n', [],
     "bad.jsonl:1: expected tokenized_text to be a list of strings, got 'a'"),
    ("GLiNER: no list", '{"tokenized_text": ["a"], "ner": {"a": 1}}\n', [],
     "bad.jsonl:1: expected a list of ner, got {'a': 1}"),
    ("GLiNER: backwards", '{"tokenized_text": ["a"], "ner": [[1, 0, "X"]]}\n', ["--strict"],
     "bad.jsonl:1: expected spans that fit the text, got X 2..2 in a text of 1 characters"),
    ("Doccano: no offset", '{"text": "ab", "label": [[0, "b", "X"]]}\n', ["--format", "doccano"],
     "bad.jsonl:1: expected end to be a whole number of characters, got 'b' in {'start': 0, 'end': "
     "'b', 'label': 'X'}"),
    ("Prodigy: no label", '{"text": "ab", "spans": [{"start": 0, "end": 1}]}\n',
     ["--format", "prodigy"],
     "bad.jsonl:1: expected an entity with a label, got {'start': 0, 'end': 1}"),
    ("Prodigy: a token outside",
     '{"text": "ab", "tokens": [{"text": "ab", "start": 0, "end": 9}]}\n',
     ["--format", "prodigy"],
     "bad.jsonl:1: expected tokens in order inside a text of 2 characters, got [0, 9]"),
]  # fmt: skip

RESULT = '{"type": "labels", "value": {"start": 0, "end": "x", "labels": ["A"]}}'
TASKS = [
    ("no offset", '[{"data": {"text": "ab"}, "annotations": [{"result": [' + RESULT + "]}]}]", [],
     "bad.json[0]: expected end to be a whole number of characters, got 'x' in {'start': 0, 'end': "
     "'x', 'labels': ['A']}"),
    ("no text", '[{"data": {"image": "x.png"}, "annotations": []}]', [],
     "bad.json[0]: expected the text of a Label Studio task in data.text, got the keys image"),
    ("no list", '[{"data": {"text": "ab"}, "annotations": {"a": 1}}]', [],
     "bad.json[0]: expected a list of annotations, got {'a': 1}"),
]  # fmt: skip

TABLES_OF_ARROW = [
    ("bad.parquet", b"hello", "bad.parquet: cannot be read as a table: Parquet file size is 5 …"),
    ("bad.parquet", b"", "bad.parquet: cannot be read as a table: Parquet file size is 0 bytes"),
    ("bad.parquet", b"PAR1" + b"\0" * 99,
     "bad.parquet: cannot be read as a table: Parquet magic …"),
    ("bad.arrow", b"ARROW1\0\0" + b"\0" * 99,
     "bad.arrow: cannot be read as a table: Not an Arrow …"),
    ("bad.arrow", b"hello", "bad.arrow: cannot be read as a table: Expected to read …"),
]  # fmt: skip

DOCBINS = [
    ("no archive", b"hello", "Error -3 while decompressing data: incorrect header check"),
    ("an archive of something else", zlib.compress(b"hello"), "unpack(b) received extra data."),
    ("a map of nothing", zlib.compress(b"\x80"), "KeyError: 'attrs'"),
    ("empty", b"", "[E1014] Error loading DocBin data. …"),
]  # fmt: skip

ANNOTATIONS = [
    ("no annotation", "T1 X 0 1\ta\n", [],
     "a.ann:1: expected an annotation such as T1<TAB>PER 0 5<TAB>Alice, got 'T1 X 0 1\\ta'"),
    ("offsets that are none", "T1\tX 0 b\ta\n", [],
     "a.ann:1: expected an annotation such as T1<TAB>PER 0 5<TAB>Alice, got 'T1\\tX 0 b\\ta'"),
    ("offsets of thousands of digits", f"T1\tX 0 {'9' * 5000}\ta\n", [],
     "a.ann:1: expected an annotation such as T1<TAB>PER 0 5<TAB>Alice, got 'T1\\tX 0 " + "9" * 68
     + "..."),
    ("outside of its text", "T1\tX 2 9\tc\n", ["--strict"],
     "a.ann:1: expected a span that fits the text, got X 2..9 in a text of 3 characters"),
    ("another text", "T1\tX 0 1\tb\n", ["--strict"],
     "a.ann:1: expected a span that fits the text, got X 0..1, which is 'a', not 'b'"),
    ("a long line", "T1\tX 0 1\ta\n" + "#" * 5000, ["--max-line", "4096"],
     "a.ann:2: expected a line of at most 4,096 characters (max_line), got a longer one: "
     + CUT.format("#" * 76)),
    ("not UTF-8", b"T1\tX 0 1\t\xff\n", [],
     "a.ann:1: expected text in utf-8, got the byte 0xff" + ENCODING),
]  # fmt: skip

ENCODED = {
    "labels": ["LOC"],
    "tag_scheme": "IOB2",
    "labelling": "word",
    "max_length": 32,
    "overlap": 8,
    "tokenizer": "x",
}
SHARD = {"file": "shard-0.tfrecord", "documents": 1, "windows": 1, "pieces": 9, "bytes": 9}
MANIFEST = {
    "source": "x",
    "encoding": ENCODED,
    "documents": 1,
    "windows": 1,
    "pieces": 9,
    "lost": {},
    "lengths": {},
    "shards": [SHARD],
}
PREPARED = [
    ("nested a million deep", NESTED,
     "folder/manifest.json:1:501: not valid JSON: nested more than 500 deep"),
    ("cut off", '{"source": "x",',
     "folder/manifest.json:1:16: not valid JSON: expecting property name enclosed in double "
     "quotes"),
    ("a list", "[]", "folder/manifest.json: expected a JSON object, got []"),
    ("no shards", json.dumps({**MANIFEST, "shards": []}), "folder/manifest.json: shards: …"),
    ("another format", json.dumps({**MANIFEST, "format": 7}),
     "folder/manifest.json: format: input should be 1, got 7"),
    ("a shard that is not there", json.dumps(MANIFEST),
     "folder/shard-0.index: cannot be read: No such file or directory"),
    ("a shard out of the folder",
     json.dumps({**MANIFEST, "shards": [{**SHARD, "file": "../../etc/passwd"}]}),
     "folder/manifest.json: shards.0.file: expected the name of a file in this folder, got "
     "'../../etc/passwd'…"),
]  # fmt: skip


def refuse(shop, line, name, content, options, message):
    shop.file(name, content)
    before = shop.content()
    refused(line("inspect", name, *options), message)
    assert shop.content() == before


@pytest.mark.parametrize(
    ("content", "options", "message"), [row[1:] for row in COLUMNS], ids=[row[0] for row in COLUMNS]
)
def test_columns(shop, line, content, options, message):
    refuse(shop, line, "bad.conll", content, options, message)


@pytest.mark.parametrize(
    ("content", "options", "message"), [row[1:] for row in TABLES], ids=[row[0] for row in TABLES]
)
def test_csv(shop, line, content, options, message):
    refuse(shop, line, "bad.csv", content, options, message)


@pytest.mark.parametrize(
    ("content", "options", "message"), [row[1:] for row in RECORDS], ids=[row[0] for row in RECORDS]
)
def test_json_lines(shop, line, content, options, message):
    refuse(shop, line, "bad.jsonl", content, options, message)


@pytest.mark.parametrize(
    ("content", "options", "message"), [row[1:] for row in ARRAYS], ids=[row[0] for row in ARRAYS]
)
def test_json_arrays(shop, line, content, options, message):
    refuse(shop, line, "bad.json", content, options, message)


@pytest.mark.parametrize(
    ("content", "options", "message"), [row[1:] for row in CONLLU], ids=[row[0] for row in CONLLU]
)
def test_conllu(shop, line, content, options, message):
    refuse(shop, line, "bad.conllu", content, options, message)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [row[1:] for row in OTHER_RECORDS],
    ids=[row[0] for row in OTHER_RECORDS],
)
def test_json_lines_of_other_tools(shop, line, content, options, message):
    refuse(shop, line, "bad.jsonl", content, options, message)


@pytest.mark.parametrize(
    ("content", "options", "message"), [row[1:] for row in TASKS], ids=[row[0] for row in TASKS]
)
def test_tasks_of_label_studio(shop, line, content, options, message):
    refuse(shop, line, "bad.json", content, options, message)


@pytest.mark.parametrize(("name", "content", "message"), TABLES_OF_ARROW)
def test_parquet_and_arrow(shop, line, name, content, message):
    pytest.importorskip("pyarrow", reason="the extra hub is not installed")
    refuse(shop, line, name, content, [], message)


@pytest.mark.parametrize(
    ("content", "reason"), [row[1:] for row in DOCBINS], ids=[row[0] for row in DOCBINS]
)
def test_docbins(shop, line, content, reason):
    pytest.importorskip("spacy", reason="the extra spacy is not installed")
    message = f"bad.spacy: cannot be read as a DocBin of spaCy: {reason}"
    refuse(shop, line, "bad.spacy", content, [], message)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [row[1:] for row in ANNOTATIONS],
    ids=[row[0] for row in ANNOTATIONS],
)
def test_brat(shop, line, content, options, message):
    shop.file("a.txt", "abc")
    refuse(shop, line, "a.ann", content, options, message)


@pytest.mark.parametrize(
    ("content", "message"), [row[1:] for row in PREPARED], ids=[row[0] for row in PREPARED]
)
def test_what_was_prepared(shop, line, content, message):
    shop.checkpoint()
    shop.file("folder/manifest.json", content)
    before = shop.content()
    refused(line("train", "run.yaml", "data.train=prepared:folder"), message)
    assert shop.content() == before
