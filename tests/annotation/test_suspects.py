"""The ranking of marks, on made-up probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfner.annotation.elsewhere import Elsewhere
from tfner.annotation.readings import labels_of_tags, read_marks, usual_log_probs
from tfner.annotation.review import propose
from tfner.annotation.suspects import Suspect, rank_suspects
from tfner.corpus.ledger import Ledger
from tfner.documents import Document, Entity
from tfner.tagging.schemes import LabelSet, read_spans, write_tags
from tfner.training.folds.out_of_fold import OutOfFold

WORDS = ["Mara", "Dulvane", "of", "Kell", "Orun", "met", "Bo", "Lind"]
TRUTH = [(0, 2, "PER"), (3, 5, "LOC"), (6, 8, "PER")]
MARKS = {
    "missed": ([(0, 2, "PER"), (6, 8, "PER")], None, (3, 5, "LOC")),
    "spurious": ([*TRUTH[:2], (2, 3, "LOC"), TRUTH[2]], (2, 3, "LOC"), None),
    "wrong_type": ([*TRUTH[:2], (6, 8, "LOC")], (6, 8, "LOC"), (6, 8, "PER")),
    "wrong_border": ([*TRUTH[:2], (6, 7, "PER")], (6, 7, "PER"), (6, 8, "PER")),
    "wrong_border_and_type": ([*TRUTH[:2], (5, 8, "LOC")], (5, 8, "LOC"), (6, 8, "PER")),
}
LABELS = {scheme: LabelSet(("LOC", "PER"), scheme) for scheme in ("IOB2", "BIOES")}


def said(labels, spans, count, sure=0.98):
    """Make the probabilities of a model that is `sure` of some spans."""
    tags = write_tags(spans, count, labels.scheme)
    rest = (1 - sure) / (len(labels) - 1)
    probabilities = np.full((count, len(labels)), rest, np.float32)
    for row, tag in enumerate(tags):
        probabilities[row, labels.id(tag)] = sure
    return probabilities


def predict(marks, truth=TRUTH, words=WORDS, number=0, labels=LABELS["IOB2"], sure=0.98):
    document = Document.from_words(words, marks, id=f"d{number}")
    found = Document.from_words(words, truth).entities
    probabilities = said(labels, truth, len(words), sure)
    return OutOfFold(document, number, 1, found, document.words, probabilities)


def rank(predictions, labels=LABELS["IOB2"], ledger=None):
    return rank_suspects(predictions, labels, Ledger() if ledger is None else ledger)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("kind", MARKS)
def test_a_planted_mistake_is_found_first_with_its_kind_and_the_right_proposal(kind, labels):
    wrong, marked, proposed = MARKS[kind]
    sound = [predict(TRUTH, number=number, labels=labels) for number in range(1, 4)]
    ranked = rank([*sound, predict(wrong, labels=labels)], labels)
    first, *others = ranked
    assert (first.kind, first.number) == (kind, 0)
    document = Document.from_words(WORDS, [span for span in (marked, proposed) if span])
    expected = [entity.key for entity in document.entities]
    shown = [each.key for each in (first.marked, first.proposed) if each]
    assert shown == expected
    assert (first.marked is None, first.proposed is None) == (marked is None, proposed is None)
    assert first.score > 0.5 > max(each.score for each in others)


def test_every_mark_is_ranked_and_nothing_else_where_the_model_agrees():
    ranked = rank([predict(TRUTH, number=number) for number in range(3)])
    assert len(ranked) == 3 * len(TRUTH)
    assert all(each.marked is not None for each in ranked)
    assert max(each.score for each in ranked) < 0.05


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(0.55, 0.95), min_size=2, max_size=5, unique_by=lambda x: round(x, 2)))
def test_the_surer_the_model_is_of_another_tag_the_higher_a_mark_ranks(certainties):
    words = [["Mara", f"left{number}"] for number in range(len(certainties))]
    predictions = [
        predict([(0, 1, "LOC")], [(0, 1, "PER")], own, number, sure=sure)
        for number, (own, sure) in enumerate(zip(words, certainties, strict=True))
    ]
    ranked = rank(predictions)
    order = [certainties[each.number] for each in ranked if each.marked]
    assert order == sorted(certainties, reverse=True)
    scores = [each.score for each in ranked]
    assert scores == sorted(scores, reverse=True)


def test_what_a_model_often_misses_is_less_suspicious_than_what_it_finds_elsewhere():
    # Of ten locations it finds one; it is as sure of one that nobody has marked.
    unknown = [
        predict([(0, 1, "LOC")], [], [f"Kell{number}", "slept"], number) for number in range(9)
    ]
    found = predict([(0, 1, "LOC")], [(0, 1, "LOC")], ["Orun", "slept"], 9)
    unmarked = predict([], [(0, 1, "LOC")], ["Zzim", "slept"], 10)
    first = rank([*unknown, found, unmarked])[0]
    assert (first.number, first.kind) == (10, "missed")


def test_the_same_string_marked_otherwise_elsewhere_counts():
    rows = [predict([(0, 1, "PER")], [(0, 1, "PER")], ["Bo", f"w{n}"], n) for n in range(4)]
    unsure = [("Bo", 4), ("Ada", 5)]
    for name, number in unsure:
        rows.append(predict([(0, 1, "LOC")], [(0, 1, "PER")], [name, "ran"], number, sure=0.5))
    first, second, *_ = rank(rows)
    assert (first.number, tuple(first.elsewhere)) == (4, (0, 4))
    assert (second.number, tuple(second.elsewhere)) == (5, (0, 0))
    # Each mark of the others stands three times elsewhere, and once as LOC.
    others = [each.elsewhere for each in rank(rows) if each.number < 4]
    assert {each.as_marked for each in others} == {3}


def test_a_spot_where_the_model_only_comes_near_to_an_entity_is_listed():
    each = predict([], [], ["Mara", "Dulvane", "ran"])
    each.probabilities[:2] = [0.6, 0.02, 0.02, 0.18, 0.18]
    (suspect,) = rank([each])
    assert (suspect.kind, suspect.marked, suspect.proposed.key) == ("missed", None, (0, 12, "PER"))


def test_units_that_the_model_does_not_see_speak_for_nothing():
    unseen = predict([(0, 1, "PER")], [], ["\u200b", "ran"])
    unseen.probabilities[0] = 0
    wrong = predict([(0, 1, "PER")], [], ["so", "ran"], 1)
    sound = [predict(TRUTH, number=number) for number in range(2, 4)]
    first, second, *_ = rank([*sound, unseen, wrong])
    assert [first.number, second.number] == [1, 0]
    assert second.score == pytest.approx(0.05)


def test_marks_that_tags_cannot_say_are_not_judged_but_counted():
    document = Document(
        "Mara of Kell",
        (Entity(0, 12, "PER"), Entity(8, 12, "LOC"), Entity(5, 7, "ODD")),
        ((0, 4), (5, 7), (8, 12)),
    )
    probabilities = said(LABELS["IOB2"], [(0, 3, "PER")], 3)
    each = OutOfFold(document, 0, 1, (Entity(0, 12, "PER"),), document.words, probabilities)
    ledger = Ledger()
    (suspect,) = rank([each], ledger=ledger)
    assert suspect.marked.key == (0, 12, "PER")
    assert ledger.counts == {"overlapping": 1, "unknown_label": 1}


def test_a_mark_inside_a_unit_of_raw_text_is_no_mistake():
    document = Document("pre-Columbian art", (Entity(4, 13, "LOC"),))
    units = ((0, 13), (14, 17))
    probabilities = said(LABELS["IOB2"], [(0, 1, "LOC")], 2)
    each = OutOfFold(document, 0, 1, (Entity(0, 13, "LOC"),), units, probabilities)
    (suspect,) = rank([each])
    assert suspect.score < 0.05
    assert suspect.marked.key == (0, 13, "LOC")


@settings(deadline=None, max_examples=20)
@given(st.data())
def test_marks_that_a_model_is_sure_of_rank_behind_all_that_it_contradicts(data):
    labels = data.draw(st.sampled_from(list(LABELS.values())))
    kinds = data.draw(st.lists(st.sampled_from([None, *MARKS]), min_size=2, max_size=6))
    predictions = []
    for number, kind in enumerate(kinds):
        marks = TRUTH if kind is None else MARKS[kind][0]
        words = [f"{word}{number}" for word in WORDS]  # no string stands elsewhere
        predictions.append(predict(marks, words=words, number=number, labels=labels))
    ranked = rank(predictions, labels)
    contradicted = sum(kind is not None for kind in kinds)
    wrong = [each.number for each in ranked[:contradicted]]
    assert sorted(wrong) == [number for number, kind in enumerate(kinds) if kind]


def test_a_text_without_units_has_no_suspects():
    empty = OutOfFold(Document(""), 0, 1, (), (), np.zeros(0, np.float32))
    (suspect,) = rank([empty, predict([(0, 1, "PER")], [(0, 1, "PER")], ["Mara"], 1)])
    assert suspect.number == 1


def test_the_marks_are_read_as_a_model_learned_them():
    labels = LABELS["BIOES"]
    each = predict(TRUTH, labels=labels)
    reading = read_marks(each.document, labels, each.predicted, each.probabilities, Ledger())
    tags = [labels.tag(number) for number in reading.tags]
    assert tags == write_tags(TRUTH, len(WORDS), "BIOES")
    assert list(reading.marks) == read_spans(tags, "BIOES")[0] == TRUTH
    usual = usual_log_probs([reading], labels)
    assert usual == pytest.approx(np.log(0.98), abs=1e-6)


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_labels_are_found_by_their_tags(labels):
    assert labels_of_tags(labels.tags) == labels


def entity(start, end, label="PER"):
    return Entity(start, end, label, text=TEXT[start:end])


TEXT = "Mara Dulvane of Kell"


@pytest.mark.parametrize(
    ("marked", "proposed", "left"),
    [
        (None, entity(16, 20, "LOC"), [entity(0, 4), entity(5, 12), entity(16, 20, "LOC")]),
        (entity(0, 4), None, [entity(5, 12)]),
        (entity(0, 4), entity(0, 12), [entity(0, 12)]),  # the other one is in the way
        (entity(0, 4), entity(0, 4, "LOC"), [entity(0, 4, "LOC"), entity(5, 12)]),
    ],
)
def test_what_is_proposed_replaces_what_is_marked(marked, proposed, left):
    document = Document(TEXT, (entity(0, 4), entity(5, 12)))
    suspect = Suspect(document, 0, "missed", 1.0, marked, proposed, Elsewhere(0, 0))
    ((_, entities),) = propose([suspect])
    assert entities == left


def test_of_proposals_that_overlap_the_more_suspicious_stands():
    document = Document(TEXT, (entity(0, 4), entity(5, 12)))
    nowhere = Elsewhere(0, 0)
    first = Suspect(document, 0, "wrong_border", 1.0, entity(0, 4), entity(0, 12), nowhere)
    second = Suspect(document, 0, "wrong_border", 0.9, entity(5, 12), entity(5, 15), nowhere)
    ((_, entities),) = propose([first, second])
    assert entities == [entity(0, 12)]
