"""Refuse configurations that cannot be run: `train run.yaml` says why in one line.

It does so before TensorFlow loads, and touches nothing.
"""

from __future__ import annotations

import pytest
from command_line import CUT, refused

from tfner.config import RunSettings

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}\n" for i in range(1, 60)
)
HEAD = "name: run\nencoder: {checkpoint: checkpoint}\n"
KNOWN = "known here: " + ", ".join(RunSettings.model_fields)
MANY = (
    "run.yaml: "
    + "; ".join(f"unknown{number}: unknown; {KNOWN}" for number in range(20))
    + "; and 50 more"
)

FILES = [
    ("empty", "", "run.yaml: expected a mapping of settings, got NoneType"),
    ("list", "- name: run\n", "run.yaml: expected a mapping of settings, got list"),
    ("broken",
        "name: [\n", "run.yaml:2:1: not valid YAML: while parsing a flow node, expected the node "
                     "content, but found '<stream end>'"),
    ("tab", "\tname: run\n",
     "run.yaml:1:1: not valid YAML: while scanning for the next token, found character '\\t' "
     "that cannot start any token"),
    ("two documents", "name: a\n---\nname: b\n",
     "run.yaml:2:1: not valid YAML: expected a single document in the stream, but found another "
     "document"),
    ("latin 1", b"name: r\xfcn\n", "run.yaml:1: expected text in utf-8, got the byte 0xfc"),
    ("NUL",
        "name: r\0n\n", "run.yaml: not valid YAML: the character U+0000 at character 8: special "
                        "characters are not allowed"),
    ("aliases", BOMB, "run.yaml:4:5: not valid YAML: with its aliases more than 10,000 values"),
    ("merge keys", MERGES, "run.yaml:12:16: not valid YAML: with its aliases more than 10,000 "
                           "values"),
    ("circle",
        "name: &a [*a]\n", "run.yaml:1:7: not valid YAML: an alias inside of what it stands for"),
    ("unknown alias", "name: *a\n", "run.yaml:1:7: not valid YAML: found undefined alias 'a'"),
    ("deep", "name: " + "[" * 100_000, "run.yaml:1:56: not valid YAML: nested more than 50 deep"),
    ("deep and closed",
        "name: " + "[" * 60 + "]" * 60, "run.yaml:1:56: not valid YAML: nested more than 50 deep"),
    ("key twice", HEAD +
        "training: {epochs: 1, epochs: 2}\n", "run.yaml:3:23: not valid YAML: the key 'epochs' "
                                              "stands twice"),
    ("object", "name: !!python/object/apply:os.system [touch evil]\n",
     "run.yaml:1:7: not valid YAML: could not determine a constructor for the tag "
     "'tag:yaml.org,2002:python/object/apply:os.system'"),
    ("no date", "name: 2026-13-45\n",
     "run.yaml:1:7: not valid YAML: expected a value of the kind timestamp, got '2026-13-45'; in "
     "quotes it is text"),
    ("number of 5,000 digits", "seed: " + "1" * 5000,
     "run.yaml:1:7: not valid YAML: expected a value of the kind int, got " + CUT.format(
         "1" * 76) + "; in quotes it is text"),
    ("no number",
        "seed: !!int many\n", "run.yaml:1:7: not valid YAML: expected a value of the kind int, "
                              "got 'many'; in quotes it is text"),
    ("large",
        "#" * (2 << 20), "run.yaml: cannot be read: expected at most 1,048,576 bytes, got "
                         "2,097,152"),
    ("unknown key", HEAD + "training: {learning_rte: 1}\n",
     "run.yaml: training.learning_rte: unknown; did you mean training.learning_rate?"),
    ("no key", HEAD + "1: 2\n", "run.yaml: 1: keys should be strings, got 1"),
    ("missing", "name: run\n", "run.yaml: encoder: required, but not given"),
    ("type", HEAD + "training: {batch_size: many}\n",
     "run.yaml: training.batch_size: input should be a valid integer, unable to parse string as an "
     "integer, got 'many'"),
    ("range", HEAD +
        "training: {batch_size: 0}\n", "run.yaml: training.batch_size: input should be greater "
                                       "than or equal to 1, got 0"),
    ("nan", HEAD +
        "training: {learning_rate: .nan}\n", "run.yaml: training.learning_rate: expected auto "
                                             "or a number above 0, got nan"),
    ("infinity", HEAD +
        "training: {learning_rate: .inf}\n", "run.yaml: training.learning_rate: expected auto "
                                             "or a number above 0, got inf"),
    ("huge", HEAD + "seed: 100000000000000000000000000000\n",
     "run.yaml: seed: input should be less than 2147483648, got 100000000000000000000000000000"),
    ("group", HEAD +
        "training: 3\n", "run.yaml: training: input should be a valid dictionary or instance of "
                         "TrainingSettings, got 3"),
    ("long value", HEAD + f"training: {{batch_size: {'x' * 10_000}}}\n",
     "run.yaml: training.batch_size: input should be a valid integer, unable to parse string as an "
     "integer, got " + CUT.format("x" * 76)),
    ("control characters", HEAD + 'training: {precision: "\\e[31mfloat\\u202e"}\n',
     "run.yaml: training.precision: input should be 'float32', 'mixed_bfloat16' or "
     "'mixed_float16', got '\\x1b[31mfloat\\u202e'"),
    ("key of control characters", HEAD + '"\\e[31m\\n": 1\n',
     "run.yaml: ␛[31m␊: unknown; " + KNOWN),
    ("name of another folder", "name: ../../run\nencoder: {checkpoint: checkpoint}\n",
     "run.yaml: name: expected letters, digits, '.', '_' and '-', beginning with a letter or "
     "digit, got '../../run'"),
    ("name like an option", "name: --help\nencoder: {checkpoint: checkpoint}\n",
     "run.yaml: name: expected letters, digits, '.', '_' and '-', beginning with a letter or "
     "digit, got '--help'"),
    ("variable", HEAD + "data: {train: $TFNER_NOT_SET/a.conll}\n",
     "run.yaml: data.train: the environment variable TFNER_NOT_SET is not set"),
    ("buckets", HEAD + "training: {bucket_lengths: [64, 32]}\n",
     "run.yaml: training: bucket_lengths: expected rising lengths of at least 4, got [64, 32]"),
    ("overlap", "name: run\nencoder: {checkpoint: checkpoint, max_length: 32, overlap: 20}\n",
     "run.yaml: encoder: overlap: at most half of max_length - 2, that is 15, got 20"),
    ("threshold", HEAD + "export: {threshold: {PER: 2}}\n",
     "run.yaml: export: threshold: expected probabilities between 0 and 1, got {'PER': 2.0}"),
    ("no such data", HEAD +
        "data: {train: none.conll}\n", "data.train: no such file or folder: none.conll"),
    ("path too long", HEAD + f"data: {{train: {'x' * 300}.conll}}\n",
     "data.train: no such file or folder: " + "x" * 300 + ".conll"),
    ("prepared dev", HEAD + "data: {dev: 'prepared:folder'}\n",
     "data.dev: expected documents, whose entities are counted, got windows that are prepared "
     "for training: prepared:folder"),
    ("not prepared", HEAD + "data: {train: 'prepared:folder'}\n",
     "data.train: expected a folder that python -m tfner.prepare wrote to its end, with "
     "manifest.json: prepared:folder"),
    ("not embedded", HEAD +
        "data: {train: 'embedded:../../secret'}\n", "embedded:../../secret: the package holds no "
                                                    "such file or folder"),
    ("no such encoder", "name: run\nencoder: {checkpoint: ./checkpoint}\n",
     "encoder.checkpoint: no such folder: ./checkpoint"),
    ("no encoder's name",
        "name: run\nencoder: {checkpoint: a/b/c}\n", "encoder.checkpoint: no such folder: a/b/c"),
    ("many mistakes", HEAD + "".join(f"unknown{number}: 1\n" for number in range(70)), MANY),
]  # fmt: skip

OVERRIDES = [
    (["training.epochs"], "'training.epochs': expected key.path=value, for example "
                          "training.epochs=3"),
    (["=3"], "'=3': expected key.path=value, for example training.epochs=3"),
    (["name.first=3"], "name.first: name is a value, not a group of settings"),
    (["training.epochs=[1"],
     "training.epochs: not a YAML value: '[1' (while parsing a flow sequence, expected ',' or "
     "']', but got '<stream end>')"),
    (["training.epochs=" + "[" * 100_000],
     "training.epochs: not a YAML value: " + CUT.format("[" * 76) + " (nested more than 50 deep)"),
    (["training.epochs=2026-99-99"],
     "training.epochs: not a YAML value: '2026-99-99' (expected a value of the kind timestamp, "
     "got '2026-99-99'; in quotes it is text)"),
    (["export.threshold.PER=high"],
     "run.yaml: export.threshold.float: input should be a valid number, got {'PER': 'high'}; "
     "export.threshold.dict[str,float].PER: "
     "input should be a valid number, unable to parse string as a number, got 'high'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"), [row[1:] for row in FILES], ids=[row[0] for row in FILES]
)
def test_a_file(shop, line, content, message):
    shop.file("run.yaml", content)
    before = shop.content()
    refused(line("train", "run.yaml"), message)
    assert shop.content() == before


@pytest.mark.parametrize(
    ("overrides", "message"), OVERRIDES, ids=[row[0][0][:24] for row in OVERRIDES]
)
def test_an_override(shop, line, overrides, message):
    before = shop.content()
    refused(line("train", "run.yaml", *overrides), message)
    assert shop.content() == before
