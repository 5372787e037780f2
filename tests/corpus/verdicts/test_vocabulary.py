"""What a vocabulary does not know, and words that it cuts to pieces."""

from __future__ import annotations

import pytest
from corpora import clean, marked, named
from hypothesis import given
from hypothesis import strategies as st

from tfner.corpus.statistics import TokenStats
from tfner.corpus.verdicts.judge import judge_corpus
from tfner.corpus.verdicts.vocabulary import dominant_script, judge_vocabulary
from tfner.documents import Document

RUSSIAN = ("в", "москве", "был", "мороз", "и", "снег")


def counted(splits, ratio, **more):
    stats = {}
    for split, documents in splits.items():
        units = [len(document.words) for document in documents]
        pieces = [round(ratio * count) for count in units]
        stats[split] = TokenStats(units=units, pieces=pieces, **more.get(split, {}))
    return stats


def test_characters_are_counted_by_script_and_located():
    splits = clean()
    splits["dev"].append(marked("☃", "Яна", "☃", spans=[(1, 2, "PER")], id="dev.conll:99"))
    unknown = {"dev": {"unknown_characters": {"☃": 2, "Я": 1}}}
    verdicts = judge_corpus(splits, token_stats=counted(splits, 1, **unknown))
    found = named(verdicts, "unknown characters")
    assert found.sentence == (
        "The vocabulary does not know 2 characters, which stand 3 times (symbol 2, cyrillic 1), "
        "and in 1 of 211 entities: ☃ U+2603 2 (dev.conll:99); Я U+042F 1 (dev.conll:99)"
    )
    assert found.severity == "hint"


def test_many_unknown_characters_are_a_warning_and_so_are_few_in_entities():
    text = [Document("x" * 999 + "☃", id="a")]
    stats = {"train": TokenStats(unknown_characters={"☃": 1})}
    (found,) = judge_vocabulary({"train": text}, stats)
    assert found.severity == "warning"
    (found,) = judge_vocabulary({"train": [*text, Document("x" * 999)]}, stats)
    assert found.severity == "hint"
    entity = marked("☃" + "x" * 1999, spans=[(0, 1, "X")])
    (found,) = judge_vocabulary({"train": [entity]}, stats)
    assert found.severity == "warning"


@pytest.mark.parametrize("ratio", [1.8, 2.0])
def test_a_tokenizer_that_was_made_for_other_text_is_found(ratio):
    splits = {"train": [marked(*"abcdefghij", id=str(i)) for i in range(50)]}
    found = list(judge_vocabulary(splits, counted(splits, ratio)))
    assert [each.name for each in found] == (["pieces per word"] if ratio == 2.0 else [])
    if found:
        assert found[0].sentence.startswith(
            "The tokenizer makes 2.0 pieces of a word, in 500 words of 1 script: latin 2.00 over "
            "500 words (train 9, "
        )


def test_the_script_that_is_cut_up_is_named_beside_one_that_is_not():
    splits = {"train": [marked(*RUSSIAN, id=f"r{i}") for i in range(30)]}
    splits["dev"] = [marked("all", "is", "well", "in", "here", id=f"e{i}") for i in range(200)]
    stats = counted({"train": splits["train"]}, 4) | counted({"dev": splits["dev"]}, 1)
    (found,) = judge_vocabulary(splits, stats)
    assert found.sentence == (
        "The tokenizer makes 4.0 pieces of a word, in 180 words of 1 script: cyrillic 4.00 over "
        "180 words (train r9, train r8, train r7)"
    )


def test_few_words_say_nothing_and_scripts_without_spaces_are_not_judged():
    few = {"train": [marked(*RUSSIAN)] * 16}
    assert list(judge_vocabulary(few, counted(few, 4))) == []
    japanese = {"train": [marked("日本", "東京", "大阪")] * 100}
    assert list(judge_vocabulary(japanese, counted(japanese, 2))) == []


def test_a_document_of_a_few_words_is_no_example():
    splits = {"train": [marked("снег", "и", id="short"), *[marked(*RUSSIAN, id="long")] * 30]}
    stats = counted(splits, 2)
    short = TokenStats(units=stats["train"].units, pieces=[99, *stats["train"].pieces[1:]])
    (found,) = judge_vocabulary(splits, {"train": short})
    assert set(found.cases[0].where) == {"train long"}


def test_without_an_encoder_nothing_is_said():
    splits = clean()
    stats = {split: TokenStats(units=[3] * len(each)) for split, each in splits.items()}
    assert list(judge_vocabulary(splits, stats)) == []
    assert list(judge_vocabulary(splits, {})) == []


@given(st.text("aаб東12 ", max_size=9))
def test_the_script_of_a_text_has_no_fewer_letters_than_another(text):
    counts = {
        "LATIN": text.count("a"),
        "CYRILLIC": text.count("а") + text.count("б"),
        "CJK": text.count("東"),
    }
    found = dominant_script(text)
    assert counts.get(found, 0) == max(counts.values())
