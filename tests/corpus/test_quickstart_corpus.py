"""The packaged corpus is what its generator writes, its names are never repeated.

And its vocabulary covers every text.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import BertTokenizerFast

from tfner.quickstart import generate, vocabulary
from tfner.quickstart.grammar import Grammar, Segment, content_lines, read_rules, slots
from tfner.quickstart.words import ENDINGS, SHARED_ENDINGS, Inventor
from tfner.safeio.sources import embedded_path

SPLITS = ("train", "dev", "test")
TEMPLATE_FILES = ("seen.txt", "unseen_dev.txt", "unseen_test.txt", "fillers.txt", "names.txt")
LETTERS = re.compile(r"[^\W\d_]+")


def path(name):
    return embedded_path(f"embedded:quickstart/{name}")


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[dict]]:
    return {
        name: [
            json.loads(line)
            for line in path(f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        for name in SPLITS
    }


@pytest.fixture(scope="module")
def tokenizer() -> BertTokenizerFast:
    return BertTokenizerFast.from_pretrained(str(path("encoder")))


@pytest.fixture(scope="module")
def ordinary() -> set[str]:
    """Every word that a person wrote into the templates, in lower case: all others are invented."""
    return {
        word.lower()
        for file in TEMPLATE_FILES
        for word in LETTERS.findall(path(f"templates/{file}").read_text(encoding="utf-8"))
    }


def names(records: list[dict]) -> list[str]:
    return [
        record["text"][entity["start"] : entity["end"]]
        for record in records
        for entity in record["entities"]
    ]


def test_generator_reproduces_the_committed_files(tmp_path, capsys):
    assert generate.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        str(tmp_path / f"{name}.jsonl") for name in SPLITS
    ]
    for name in SPLITS:
        assert (tmp_path / f"{name}.jsonl").read_bytes() == path(f"{name}.jsonl").read_bytes()


def test_vocabulary_trainer_reproduces_the_committed_file(tmp_path):
    target = tmp_path / "vocab.txt"
    assert vocabulary.main([str(path("train.jsonl")), str(target)]) == 0
    assert target.read_bytes() == path("encoder/vocab.txt").read_bytes()


def test_wrong_arguments_print_the_usage(capsys):
    assert generate.main([]) == 2
    assert vocabulary.main(["only one"]) == 2
    assert capsys.readouterr().err.count("usage: python -m tfner.quickstart.") == 2


def test_corpus_is_small():
    assert sum(path(f"{name}.jsonl").stat().st_size for name in SPLITS) < 1_000_000


def test_ids_are_unique(corpus):
    ids = [record["id"] for records in corpus.values() for record in records]
    assert len(set(ids)) == len(ids) == sum(split.seen + split.unseen for split in generate.SPLITS)


@pytest.mark.parametrize("split", SPLITS)
def test_entities_hold_the_invented_words_and_nothing_else_does(corpus, ordinary, split):
    for record in corpus[split]:
        text, outside = record["text"], list(record["text"])
        for entity in record["entities"]:
            span = slice(entity["start"], entity["end"])
            assert any(word.lower() not in ordinary for word in LETTERS.findall(text[span])), (
                record["id"],
                text[span],
            )
            outside[span] = "," * (entity["end"] - entity["start"])
        assert {word.lower() for word in LETTERS.findall("".join(outside))} <= ordinary, record[
            "id"
        ]


@pytest.mark.parametrize("split", SPLITS)
def test_entities_are_in_order_apart_and_cut_at_word_borders(corpus, split):
    for record in corpus[split]:
        text, spans = (
            record["text"],
            [(entity["start"], entity["end"]) for entity in record["entities"]],
        )
        assert all(0 <= start < end <= len(text) for start, end in spans)
        assert all(left[1] < right[0] for left, right in pairwise(spans))
        for start, end in spans:
            assert text[start:end] == text[start:end].strip()
            assert not text[max(start - 1, 0) : start].isalnum(), record["id"]
            assert not text[end : end + 1].isalnum(), record["id"]


def test_names_of_dev_and_test_never_occur_in_train(corpus):
    train = "\n".join(record["text"] for record in corpus["train"])
    for name in {*names(corpus["dev"]), *names(corpus["test"])}:
        assert name not in train or not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", train), name


def test_each_invented_word_is_used_once_in_the_whole_corpus(corpus, ordinary):
    words = (
        word.lower()
        for records in corpus.values()
        for record in records
        for word in LETTERS.findall(record["text"])
    )
    counts = Counter(word for word in words if word not in ordinary)
    assert len(counts) > 8000
    assert set(counts.values()) == {1}


def test_a_third_of_dev_and_test_and_none_of_train_has_unseen_templates(corpus):
    shares = {
        name: Counter(record["slice"] for record in records) for name, records in corpus.items()
    }
    assert set(shares["train"]) == {"seen templates"}
    for name in ("dev", "test"):
        assert shares[name]["unseen templates"] / shares[name].total() == pytest.approx(
            1 / 3, abs=0.02
        )


def test_template_files_share_no_template():
    files = [
        content_lines(path(f"templates/{file}").read_text(encoding="utf-8"))
        for file in TEMPLATE_FILES[:3]
    ]
    templates = [template.lstrip("+^") for file in files for template in file]
    assert len(set(templates)) == len(templates)
    assert len(files[0]) >= 80
    assert len(files[2]) >= 25


def test_an_unseen_template_brings_words_that_train_lacks(corpus):
    train = {word.lower() for record in corpus["train"] for word in LETTERS.findall(record["text"])}
    for file in ("unseen_dev.txt", "unseen_test.txt"):
        templates = content_lines(path(f"templates/{file}").read_text(encoding="utf-8"))
        literals = [
            " ".join(literal for literal, _ in slots(template)).lower() for template in templates
        ]
        new = [not train.issuperset(LETTERS.findall(literal)) for literal in literals]
        assert sum(new) / len(new) > 0.6


@pytest.mark.parametrize("split", SPLITS)
def test_every_label_is_common_and_some_sentences_have_no_name(corpus, split):
    labels = Counter(entity["label"] for record in corpus[split] for entity in record["entities"])
    assert set(labels) == {"PERSON", "PLACE", "ORGANIZATION", "PRODUCT"}
    assert min(labels.values()) > 0.1 * labels.total()
    assert (
        0.05 < sum(not record["entities"] for record in corpus[split]) / len(corpus[split]) < 0.25
    )


def test_texts_hold_the_traps_that_they_are_there_for(corpus):
    texts = [record["text"] for record in corpus["train"]]
    train = corpus["train"]
    assert any(
        record["text"][entity["end"] :].startswith("'s ")
        for record in train
        for entity in record["entities"]
    )
    assert any(
        record["text"][entity["end"] :].startswith("' ")
        for record in train
        for entity in record["entities"]
    )
    assert any(record["entities"] and record["entities"][0]["start"] == 0 for record in train)
    assert any(
        record["entities"] and record["entities"][-1]["end"] == len(record["text"])
        for record in train
    )
    assert any(" works " in text for text in texts)
    assert any(text[0].islower() for text in texts)
    assert any(not text.isascii() for text in texts)


def test_no_text_has_an_unknown_piece(corpus, tokenizer):
    texts = [record["text"] for records in corpus.values() for record in records]
    assert all(tokenizer.unk_token_id not in ids for ids in tokenizer(texts)["input_ids"])


PRINTABLE = "".join(
    chr(code) for code in range(0x21, 0x7F) if chr(code) != "["
)  # no [UNK] and its like in the text itself


@given(word=st.text(st.sampled_from(PRINTABLE + "éöø€"), min_size=1, max_size=40))
def test_any_word_of_the_alphabet_splits_into_known_pieces(tokenizer, word):
    assert tokenizer.unk_token_id not in tokenizer(word)["input_ids"]


def test_encoder_folder_agrees_with_itself(tokenizer):
    config = json.loads(path("encoder/config.json").read_text(encoding="utf-8"))
    pieces = path("encoder/vocab.txt").read_text(encoding="utf-8").splitlines()
    assert tuple(pieces[:5]) == vocabulary.SPECIAL
    assert config["vocab_size"] == len(pieces) == len(set(pieces)) == len(tokenizer)
    assert config["pad_token_id"] == tokenizer.pad_token_id == 0
    assert config["hidden_size"] % config["num_attention_heads"] == 0
    assert tokenizer.tokenize("Éa")[0] != tokenizer.tokenize("ea")[0]
    assert tokenizer.model_max_length == config["max_position_embeddings"]


def test_longest_text_fits_the_encoder(corpus, tokenizer):
    texts = [record["text"] for records in corpus.values() for record in records]
    assert max(map(len, tokenizer(texts)["input_ids"])) <= tokenizer.model_max_length


def test_words_are_cut_as_bert_cuts_them(corpus):
    cut = BertPreTokenizer().pre_tokenize_str
    for record in corpus["test"]:
        assert list(vocabulary.split_words(record["text"])) == [
            word for word, _ in cut(record["text"])
        ]


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=7), st.integers(1, 5), min_size=1, max_size=8
    )
)
def test_merges_equal_a_recount_after_every_merge(counts):
    merges = vocabulary.Merges(
        {vocabulary.split_letters(word): count for word, count in counts.items()}
    )
    assert list(iter(merges.merge_commonest, "")) == list(merges_by_recount(counts))


def merges_by_recount(counts: dict[str, int]):
    """The same vocabulary, counted anew from all words each time."""
    words = [
        ([word[0], *(f"##{letter}" for letter in word[1:])], count)
        for word, count in counts.items()
    ]
    while pairs := Counter(
        pair for pieces, count in words for pair in list(pairwise(pieces)) * count
    ):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merged = best[0] + best[1][2:]
        yield merged
        for pieces, _ in words:
            position = 0
            while position < len(pieces) - 1:
                if (pieces[position], pieces[position + 1]) == best:
                    pieces[position : position + 2] = [merged]
                position += 1


def test_grammar_expands_choices_slots_and_labels():
    rules = read_rules("# a comment\nPLACE:old: Old {town}\njob: a baker |\n    a cook\n")
    grammar = Grammar(rules, Inventor(Random(0)))
    jobs = {
        tuple(grammar.expand("<in|near> {PLACE:old} <he|she <now|>> is {job}")) for _ in range(200)
    }
    assert {segments[0].text for segments in jobs} == {"in ", "near "}
    assert {segments[-1].text for segments in jobs} == {"a baker", "a cook"}
    assert {segments[2].text for segments in jobs} == {" he is ", " she now is ", " she  is "}
    assert all(
        segments[1].label == "PLACE" and segments[1].text.startswith("Old ") for segments in jobs
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Halda", "Halda's boat"), ("Haldas", "Haldas' boat"), ("Haldez", "Haldez' boat")],
)
def test_possessive_after_a_name_in_s(name, expected):
    text, entities = generate.assemble(iter([Segment(name, "PERSON"), Segment("'s boat")]))
    assert text == expected
    assert entities == [{"start": 0, "end": len(name), "label": "PERSON"}]


def test_inventor_repeats_no_word_and_avoids_ordinary_ones():
    first = Inventor(Random(3))
    drawn = [first.word(kind) for kind in [*ENDINGS, "letters"] * 100]
    assert len({word.lower() for word in drawn}) == len(drawn)
    second = Inventor(Random(3), ordinary=drawn[:10])
    assert not {second.word(kind) for kind in [*ENDINGS, "letters"] * 100} & set(drawn[:10])


def test_words_lean_to_their_kind():
    inventor = Inventor(Random(5))
    towns = [inventor.word("town") for _ in range(300)]
    assert all(town.endswith((*ENDINGS["town"].split(), *SHARED_ENDINGS.split())) for town in towns)
    assert sum(town.endswith(tuple(ENDINGS["town"].split())) for town in towns) > 270


def test_importing_the_quickstart_imports_no_tensorflow():
    program = (
        "import sys, tfner.quickstart.generate, tfner.quickstart.vocabulary\n"
        "print(sorted({'tensorflow', 'transformers', 'tokenizers', 'numpy'} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
