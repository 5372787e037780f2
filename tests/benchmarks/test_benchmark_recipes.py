"""The table of recipes: what it runs, what it takes from earlier runs, and what it prints."""

from __future__ import annotations

import doctest
import json

import pytest

from benchmarks.recipes import compare, corpora
from tfner.documents import Document


def line(corpus, recipe, seed, f1, settings=()):
    scores = {corpus: f1, f"{corpus} greedy": f1 - 2}
    about = {"corpus": corpus, "recipe": recipe, "seed": seed, "settings": list(settings)}
    return json.dumps({**about, "scores": scores, "seconds": 10.0})


@pytest.fixture
def recipes(tmp_path):
    path = tmp_path / "recipes.yaml"
    path.write_text("default: []\nfaster-head: [training.head_learning_rate=2e-3]\n")
    return path


def arguments(tmp_path, recipes, *more):
    results = str(tmp_path / "results.jsonl")
    return [results, "--data", "data", "--encoder", "encoder", "--file", str(recipes), *more]


def test_worked_examples():
    for module in (compare, corpora):
        assert doctest.testmod(module).failed == 0


def test_table_pairs_the_seeds_that_both_recipes_have(tmp_path, recipes, capsys):
    faster = ["training.head_learning_rate=2e-3"]
    lines = [line("ai", "default", seed, 50.0 + seed) for seed in (1, 2)]
    lines += [line("ai", "faster-head", seed, 53.0 + seed, faster) for seed in (1, 2, 3)]
    # of a recipe that has other settings now: no result of the one that is asked for
    lines += [line("ai", "faster-head", 2, 1.0, ["training.head_learning_rate=9"])]
    (tmp_path / "results.jsonl").write_text("\n".join(lines) + "\n")
    compare.main(arguments(tmp_path, recipes, "--table"))
    said = " ".join(capsys.readouterr().out.split())
    assert "ai default 2 51.50 ± 0.71 +0.00 ± 0.00" in said
    assert "faster-head 3 55.00 ± 1.00 +3.00 ± 0.00" in said
    assert "ai greedy default 2 49.50 ± 0.71" in said
    assert "ai seconds default 2 10.00 ± 0.00" in said


def test_only_what_is_missing_is_run_seed_by_seed(tmp_path, recipes, monkeypatch, capsys):
    (tmp_path / "results.jsonl").write_text(line("ai", "default", 1, 50.0) + "\n")
    ran = []

    def run(self, corpus, recipe, seed):
        ran.append((corpus, recipe.name, seed))
        return {"scores": {corpus: 60.0}, "seconds": 1.0}

    monkeypatch.setattr(compare.Runner, "run", run)
    chosen = ("--corpora", "ai", "science", "--seeds", "1", "2")
    compare.main(arguments(tmp_path, recipes, *chosen))
    assert ran[:3] == [
        ("ai", "faster-head", 1),
        ("science", "default", 1),
        ("science", "faster-head", 1),
    ]
    assert [seed for _, _, seed in ran[3:]] == [2, 2, 2, 2]
    ran.clear()
    compare.main(arguments(tmp_path, recipes, *chosen))
    assert ran == []


def test_unknown_recipe_is_named(tmp_path, recipes):
    with pytest.raises(
        SystemExit, match="no recipe 'slow'; there are default, faster-head, trainer"
    ):
        compare.main(arguments(tmp_path, recipes, "--recipes", "slow"))


def test_other_languages_need_their_encoder(tmp_path, recipes):
    with pytest.raises(SystemExit, match="danish: needs --multilingual"):
        compare.main(arguments(tmp_path, recipes, "--corpora", "danish", "--recipes", "default"))


def test_whole_documents_go_to_dev():
    sentences = [Document(str(number), group=str(number // 3)) for number in range(30)]
    train, dev = corpora.split(sentences)
    assert {sentence.group for sentence in dev} == {"4", "9"}
    assert not {sentence.group for sentence in dev} & {sentence.group for sentence in train}
    assert len(train) + len(dev) == 30


def test_files_are_the_same_for_all(tmp_path):
    data = tmp_path / "data" / "wikigold"
    data.mkdir(parents=True)
    text = "".join(f"Mara{n} I-PER\nleft O\n\n" for n in range(300))
    (data / "all.conll").write_text(text)
    files = corpora.lay_out("wikigold", tmp_path / "data", tmp_path / "files")
    train, dev = corpora.read(files.train), corpora.read(files.texts["wikigold"])
    assert (len(train), len(dev)) == (250, 50)
    assert {entity.label for each in dev for entity in each.entities} == {"PER"}
