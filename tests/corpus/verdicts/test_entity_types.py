"""Types that cannot be learned or scored, and types with two names."""

from __future__ import annotations

import pytest
from corpora import clean, marked, named
from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus.verdicts.entity_types import FEW_EXAMPLES, judge_types, same_names
from tfner.corpus.verdicts.judge import judge_corpus
from tfner.documents import Document


def typed(label, count, id="x"):
    entity = [(0, 1, label)]
    return [marked(f"{label}{number}", spans=entity, id=f"{id}{number}") for number in range(count)]


def test_a_type_of_dev_alone_is_an_error():
    found = list(judge_types({"train": typed("A", 50), "dev": typed("A", 1) + typed("B", 2, "d")}))
    assert [each.name for each in found] == ["unlearned types"]
    assert found[0].severity == "error"
    assert found[0].sentence == "1 type stands in no text of train, with 2 entities: B 2 (dev d0)"
    assert found[0].advice.startswith("Mark them in train too")


def test_a_type_that_dev_lacks_is_a_warning_for_each_split_with_entities():
    splits = {"train": typed("A", 50) + typed("B", 60), "dev": typed("A", 1), "test": []}
    splits["more"] = typed("A", 1)
    found = list(judge_types(splits))
    assert [each.sentence for each in found] == [
        "dev has nothing of 1 type of train: B 60 (train x0)",
        "more has nothing of 1 type of train: B 60 (train x0)",
    ]


@pytest.mark.parametrize("count", [FEW_EXAMPLES - 1, FEW_EXAMPLES])
def test_few_examples_are_fewer_than_so_many(count):
    found = list(judge_types({"train": typed("A", 99) + typed("B", count)}))
    names = [] if count == FEW_EXAMPLES else ["few examples"]
    assert [each.name for each in found] == names
    if found:
        assert found[0].sentence.endswith(
            f"1 type has fewer than 50 examples in train: B {count} (train x0)"
        )


def test_the_rarest_type_is_named_first():
    few = typed("A", 3) + typed("B", 1) + typed("C", 2)
    (found,) = judge_types({"train": few})
    assert [case.what for case in found.cases] == ["B 1", "C 2", "A 3"]


def test_text_without_an_entity_is_an_error_and_nothing_else():
    found = judge_corpus({"train": [Document("x")], "dev": typed("A", 3)})
    assert [each.name for each in found] == ["no entities"]
    assert found[0].sentence == "train has no entity to learn from"


def test_names_that_differ_in_case_or_by_a_plural_are_found_over_all_splits():
    splits = clean()
    splits["train"] += [
        marked("Per", f"other{number}", spans=[(1, 2, "Persons")]) for number in range(50)
    ]
    splits["dev"] += [marked("new", spans=[(0, 1, "persons")])]
    splits["dev"] += [marked("newer", spans=[(0, 1, "person")])]
    found = named(judge_corpus(splits), "type names")
    assert found.severity == "warning"
    assert [case.what for case in found.cases] == ["Persons 50, person 1, persons 1"]


@given(
    st.lists(st.sampled_from(["PER", "Per", "PERS", "per_s", "LOC", "LOCS", "NORP"]), max_size=6)
)
def test_names_are_grouped_as_comparing_each_with_each_does(names):
    def is_same(one, other):
        one, other = (each.replace("_", "").casefold() for each in (one, other))
        return one == other or f"{one}s" == other or one == f"{other}s"

    expected = set()
    for name in names:
        group = {name}
        for _ in names:
            group |= {each for each in names if any(is_same(each, known) for known in group)}
        if len(group) > 1:
            expected.add(tuple(sorted(group)))
    assert same_names(set(names)) == sorted(expected)
