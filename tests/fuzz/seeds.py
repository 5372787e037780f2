"""What the fuzzers begin from.

Small files of every shape that the readers know, and the words that mutations put together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

TEXT = "Ada Lovelace met Babbage."
SPANS = [{"start": 0, "end": 12, "label": "PER"}, {"start": 17, "end": 24, "label": "PER"}]
STUDIO = {
    "was_cancelled": False,
    "result": [{"type": "labels", "value": {**SPANS[0], "labels": ["PER", "X"]}}],
}

COLUMNS = (
    "Paris\tB-LOC\nfell\tO\n",
    "Paris B-LOC\nfell O\n\nNew I-LOC\nYork I-LOC\n",
    "-DOCSTART- -X- -X- O\n\nParis NNP B-NP B-LOC\nfell VBD B-VP O\n",
    "# newdoc id = d\n# sent_id = s\n# text = Ada "
    "met.\n1\tAda\tB-PER\tO\n2\tmet\tO\tO\n3\t.\tO\tO\n",
    "1-2\tdu\t_\n1\tde\tO\n2\tle\tO\n2.1\tx\tO\n",
    "\ufeffParis\tS-LOC\r\nfell\tO\r\n\r\na\tU-X\r\nb\tL-X\r\n",
    "a O\n" * 120 + "b B_PER\nc\n",
    "one\ntwo\n\nthree\n",
    " O\nx\xa0y\tB-two words\n\t\tI-X\n#\tO\n# file\tpage 2\n",
)

CONLLU = (
    "# text = Ada met.\n1\tAda\t_\t_\t_\t_\t0\td\t_\tNER=B-PER|SpaceAfter=No\n1.1\tx\t_\t_\t_\t_\t_"
    "\t_\t_\t_\n2\tmet\t_\t_\t_\t_\t0\td\t_\t_\n",
    "# global.columns = ID FORM UPOS NER\n1\tAda\tX\tB-PER\n2\tmet\tX\t_\n\n"
    "1-2\tdu\t_\t_\n1\tde\tX\tO\n",
    "1\tParis\tB-LOC\n2\tfell\tO\n",
)
TABLES = (
    'Sentence #,Word,POS,Tag\nSentence: 1,Ada,NNP,B-PER\n,",",",",O\n,met,VBD,O\nSentence: '
    '2,"""",\'\',O\n',
    'sentence_id\ttoken\tner\n1\tParis\tB-LOC\n1\t"\tO\n\n2\tfell\tO\n',
    'text;entities;id\nAda met;[[0, 3, "PER"]];7\n"a\nb";"[(0, 1, \'X\')]";8\n',
    "text,labels\nAda met,B-PER O\nSo,O\n",
    "tokens|ner_tags\n['Ada' 'met']|['B-PER' 'O']\n[\"So\"]|[\"O\"]\n",
    "Ada,B-PER\nmet,O\n\nSo,O\n",
    "'word', 'tag'\n'a, b', 'B-X'\n'it''s', 'O'\n",
    "text\nAda met\n",
    '"word","tag"\n"a \\"b\\"","B-X"\n',
)

RECORDS: tuple[Any, ...] = (
    {"text": TEXT, "entities": SPANS},
    {
        "text": TEXT,
        "entities": [[0, 12, "PER"], [17, 24, "PER"]],
        "id": "7",
        "group": "g",
        "slice": "s",
    },
    {"id": 1, "data": TEXT, "label": [[0, 12, "PER"]], "Comments": []},
    {
        "text": TEXT,
        "entities": [{"start_offset": 0, "end_offset": 12, "label": "PER", "id": 1}],
        "relations": [{"from": 1}],
    },
    [TEXT, {"entities": [[0, 12, "PER"]]}],
    {
        "curid": "9",
        "text": TEXT,
        "entities": [{"name": "Ada Lovelace", "span": [0, 12], "type": "PER"}],
    },
    {
        "text": TEXT,
        "tokens": [{"text": "Ada", "start": 0, "end": 3}],
        "spans": SPANS,
        "answer": "accept",
    },
    {"text": TEXT, "answer": "reject"},
    {"id": 7, "data": {"text": TEXT}, "annotations": [STUDIO]},
    {"data": {"text": TEXT}, "completions": [{"was_cancelled": True, "result": []}]},
    {"text": TEXT, "label": [{"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]}]},
    {"tokens": ["Ada", "met"], "tags": ["B-PER", "O"]},
    {"tokens": ["Ada", "met"], "ner_tags": ["U-PER", "O"], "text": "Ada met"},
    {"tokens": ["a", "b"], "labels": ["I-X", "E-X"]},
    {"text": "\ud83d", "entities": []},
    {"tokenized_text": ["Ada", "met"], "ner": [[0, 0, "PER"], [0, 9, "X"]]},
    {
        "text": "a",
        "meta": {"id": "m"},
        "spans": [{"begin": 0, "end_char": 1, "entity_group": "X", "word": "a"}],
    },
)

BRAT = (
    "Ada met New York.\0\0T1\tPER 0 3\tAda\nT2\tLOC 8 16\tNew York\nR1\tPart Arg1:T1 "
    "Arg2:T2\nT3\tLOC 8 11;12 16\tNew York\n",
    "\ufeffAda\r\nLovelace\0\0#1\tAnnotatorNotes T1\tnested\n*\tEquiv T1 T2\nT1\tPER 1 14\tAda  "
    "Lovelace\r\nT9\tX 40 99\t?\n",
    "no annotations",
)

PLAIN = ("a\nb\r\n\n", "\ufefffirst\x85\u2028same\nlast", "")

# Text, labels, and three bytes an entity, see writer_targets.
MARKED = (
    "Ada met\r\nNew York \u2028\x1b[0m<b>\0\0PER\ntwo words\n-X\0\0\0\2\0\x08\x0b\1",
    "\n \n\0\0\0\0\0\0\0",
    "a\0\0<b>\0\0\0\0\0\0\0\0",
)


def with_settings(contents: Sequence[str]) -> list[bytes]:
    """Contents behind the byte that chooses the settings.

    The defaults and strict for all, two dozen others for the first.
    """
    numbered = [(number, content) for content in contents for number in (0, 1)] + [
        (number, contents[0]) for number in range(2, 33)
    ]
    return [bytes([number]) + content.encode() for number, content in numbered]


LINES = (
    *map(json.dumps, RECORDS),
    "\n".join(map(json.dumps, RECORDS[:2])) + "\n\n",
    '{"text": "a"}\r\n{"text": }',
    "[" * 60 + "]" * 60,
)
ARRAYS = (json.dumps(RECORDS[:3]), '{"text": "a"}\n{"text": "b"}\n', *map(json.dumps, RECORDS))

TAG_WORDS = (
    "O",
    "B-",
    "I-",
    "E-",
    "S-",
    "L-",
    "U-",
    "B_",
    "\tB-X",
    " I-X",
    "\tO\n",
    "\n\n",
    "\r\n",
    "\t",
)
SPACES = ("\xa0", "\x85", "\u2028", "\ufeff")
COMMENTS = (
    "-DOCSTART-",
    "# text = ",
    "# sent_id = ",
    "# newdoc",
    "# newdoc id = ",
    "# newpar",
    "1\t",
    "1-2\t",
    "1.1\t",
)
KEYS = """text data content entities spans label labels tags ner_tags id doc_id meta start end
start_offset begin end_char type span name word tokens answer annotations completions result value
was_cancelled relations group slice tokenized_text ner"""
VALUES = (
    '"\\ud83d"',
    "null",
    "true",
    "1e999",
    "NaN",
    "-1",
    "9" * 20,
    "[]",
    "{}",
    '""',
    '"B-X"',
    '"O"',
    "\n{",
    "[" * 200,
    '{"a":' * 100,
)

TABLE_WORDS = (
    *TAG_WORDS,
    *SPACES,
    *("word,tag\n", "text;entities\n", "Sentence #", ",", ";", "|", ", "),
    *('"', '""', "'", '\\"'),
    *("[]", '[[0, 1, "X"]]', "[(0, 1, 'X')]", "{", "(" * 60, "-" * 60, "f'", "\r", "\0"),
)
CONLLU_WORDS = (
    *TAG_WORDS,
    *SPACES,
    *COMMENTS,
    *("# global.columns = ", "FORM", "MISC", "NER", "|", "NER=", "ner=B-X", "_", "\t_\t_\t_"),
)
COLUMN_WORDS = (*TAG_WORDS, *SPACES, *COMMENTS)
JSON_WORDS = (*(f'"{key}":' for key in KEYS.split()), *VALUES, "\ufeff")
BRAT_WORDS = (
    "T1\tX 0 1\t",
    ";2 3",
    "R1\t",
    "#1\t",
    "*\t",
    "A1\t",
    "\n",
    "\r\n",
    "9" * 15,
    "\0\0",
    "\ufeff",
    "\t",
)
DOCBIN_WORDS = ("lengths", "tokens", "strings", "\0\0\0\0", "\x7f", "\x80", "\x90", "PER")
PLAIN_WORDS = ("\n", "\r\n", "\r", "\x85", "\u2028", "\ufeff", "\0", "\xff")
MARKED_WORDS = (
    "\0\0",
    "\n",
    "\r",
    " ",
    "\t",
    "\u2028",
    "\x85",
    "-X-",
    "\x1b[31m",
    "..",
    "/",
    "<script>",
    "[a](b)",
)
