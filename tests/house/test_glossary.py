"""One word, one sense: names that had several senses, or none that the field knows, are gone."""

from __future__ import annotations

import doctest
import re

import names

# word -> why it is no name here, and what is
BANNED = {
    "stretch": "nobody knows it: the fused operations between two products are `fused_ops`",
    "one_pass": "the two ways differ by who compiles them: `xla_ops`",
    "op_by_op": "the two ways differ by who compiles them: `tf_ops`",
    "facts": "178 things were called so: token_stats, StepMetrics, RunSummary, ShardInfo",
    "place": "four senses: device, position, offset, folder",
    "part": "five senses: module, segment, range of rows, file, section",
    "portion": "no word of the field: batch_by_size",
    "supply": "it watches the input pipeline: input_monitor",
    "follower": "tf.distribute's word is chief, and non_chief what is not",
    "ahead": "the field's word is prefetch",
    "told": "says nothing: log_lifecycle",
    "go_on": "says nothing of what goes on: resume, fit_remaining_epochs, rewind_to",
    "settle": "says nothing: sync_embeddings",
    "conclude": "says nothing: evaluate_and_export",
    "carry_through": "says nothing: run_training",
    "so_far": "the sums of a monitor are its totals",
}
# word -> where it may stand, and the one sense that it has there
ONE_SENSE = {
    "chunk": (("tfner/tokenizers/",), "a run of non-blanks, in the rule that finds words"),
    "prepare": (
        ("tfner/prepare.py", "tfner/__main__.py", "tfner/training/prepare_shards.py"),
        "what `python -m tfner.prepare` does: write shards",
    ),
}
# names of other people's libraries, which we only use
FOREIGN = {"chunk_size"}


def test_no_name_is_one_that_means_several_things(pytestconfig):
    found = []
    for name, where in names.identifiers(pytestconfig.rootpath / "tfner"):
        for word, reason in BANNED.items():
            if name not in FOREIGN and names.holds(name, word):
                found.append(f"{where}: {name} ({reason})")
    assert found == []


def test_a_word_of_one_sense_stays_in_its_room(pytestconfig):
    found = []
    for name, where in names.identifiers(pytestconfig.rootpath / "tfner"):
        for word, (rooms, sense) in ONE_SENSE.items():
            is_elsewhere = not where.startswith(rooms)
            if is_elsewhere and name not in FOREIGN and names.holds(name, word):
                found.append(f"{where}: {name} ({word} is {sense})")
    assert found == []


def test_names_are_parted_as_they_are_read():
    assert doctest.testmod(names).failed == 0


def test_the_glossary_points_to_modules_that_are_there(pytestconfig):
    root = pytestconfig.rootpath
    text = (root / "docs" / "glossary.md").read_text(encoding="utf-8")
    paths = {path.removeprefix("tfner/") for path in re.findall(r"`([\w/]+(?:\.py|/))`", text)}
    code = sorted(path for path in paths if not path.startswith("tests/"))
    assert len(code) > 30
    assert [path for path in code if not (root / "tfner" / path).exists()] == []


def test_the_index_of_decisions_names_every_page_and_no_other(pytestconfig):
    folder = pytestconfig.rootpath / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    pages = [path.name for path in folder.glob("*.md") if path.stem != "README"]
    assert sorted(re.findall(r"\]\(([\w-]+\.md)\)", index)) == sorted(pages)
