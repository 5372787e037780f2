"""The table of recipes: what it runs, what it takes from earlier runs, and what it prints."""

from __future__ import annotations

import doctest
import json

import pytest

from benchmarks import tables
from benchmarks.recipes import compare, corpora, report
from benchmarks.recipes.results import describe_version
from tfner.documents import Document

FASTER = ["training.head_learning_rate=2e-3"]


def line(corpus, recipe, seed, f1, settings=(), **more):
    scores = {corpus: f1, f"{corpus} greedy": f1 - 2}
    about = {"corpus": corpus, "recipe": recipe, "seed": seed, "settings": list(settings)}
    return json.dumps({**about, "scores": scores, "seconds": 10.0, **more})


def named(commit, overrides=()):
    """Give what a line says of its version."""
    return {**describe_version(overrides), "commit": commit}


@pytest.fixture
def recipes(tmp_path):
    path = tmp_path / "recipes.yaml"
    path.write_text("default: []\nfaster-head: [training.head_learning_rate=2e-3]\n")
    return path


def arguments(tmp_path, recipes, *more):
    results = str(tmp_path / "results.jsonl")
    return [results, "--data", "data", "--encoder", "encoder", "--file", str(recipes), *more]


def tables_of(tmp_path, recipes, lines, capsys, *more):
    """Print the tables of lines; give what was said, with single blanks."""
    (tmp_path / "results.jsonl").write_text("\n".join(lines) + "\n")
    compare.main(arguments(tmp_path, recipes, "--table", *more))
    out, errors = capsys.readouterr()
    return " ".join(f"{out} {errors}".split())


def test_worked_examples():
    for module in (compare, corpora, report, tables):
        assert doctest.testmod(module).failed == 0


def test_table_pairs_the_seeds_that_both_recipes_have(tmp_path, recipes, capsys):
    lines = [line("ai", "default", seed, 50.0 + seed) for seed in (1, 2)]
    lines += [line("ai", "faster-head", seed, 53.0 + seed, FASTER) for seed in (1, 2, 3)]
    # of a recipe that has other settings now: no result of the one that is asked for
    lines += [line("ai", "faster-head", 2, 1.0, ["training.head_learning_rate=9"])]
    said = tables_of(tmp_path, recipes, lines, capsys)
    assert "ai default 2 51.50 ± 0.71 +0.00 ± 0.00" in said
    assert "faster-head 3 55.00 ± 1.00 +3.00 ± 0.00" in said
    assert "ai greedy default 2 49.50 ± 0.71" in said
    assert "ai seconds default 2 10.00 ± 0.00" in said


def test_a_line_of_other_defaults_is_no_result(tmp_path, recipes, capsys):
    old = named("1111111")
    old["effective"] = {**old["effective"], "model": {"head": "softmax"}}
    lines = [line("ai", "default", 1, 50.0, **named("2222222"))]
    lines += [line("ai", "default", seed, 70.0, **old) for seed in (1, 2)]
    said = tables_of(tmp_path, recipes, lines, capsys)
    assert "ai default 1 50.00 ± 0.00" in said
    assert "results.jsonl: 2 lines ran with other defaults: left out" in said
    assert "commits" not in said  # of one alone are in the table
    assert "name no settings" not in said


def test_lines_of_several_versions_are_counted(tmp_path, recipes, capsys):
    lines = [line("ai", "default", 1, 50.0)]  # written before lines named their version
    lines += [line("ai", "default", seed, 51.0, **named("1111111")) for seed in (2, 3)]
    version = named("2222222-dirty", FASTER)
    lines += [line("ai", "faster-head", 1, 52.0, FASTER, **version)]
    lines += [line("ai", "trainer", 1, 49.0, **named("2222222-dirty", None))]
    chosen = ("--recipes", "default", "faster-head", "trainer")
    said = tables_of(tmp_path, recipes, lines, capsys, *chosen)
    assert "default 3 50.67 ± 0.58" in said
    assert "1 of 5 lines name no settings: their defaults may have been others" in said
    assert said.endswith("lines of 2 commits: 1111111 (2), 2222222-dirty (2)")


def test_where_the_baseline_is_greedy_alone_columns_are_paired_with_that(tmp_path, recipes, capsys):
    peers = {"wnut17 greedy": 50.0, "btc greedy": 30.0}
    scores = {"wnut17": 55.0, "btc": 33.0, "wnut17 greedy": 54.0, "btc greedy": 32.0}
    lines = [line("wnut17", "trainer", 1, 0.0, scores=peers)]
    lines += [line("wnut17", "default", 1, 0.0, scores={**scores, "wnut17 ECE raw": 9.0})]
    chosen = ("--recipes", "default", "trainer", "--baseline", "trainer")
    said = tables_of(tmp_path, recipes, lines, capsys, *chosen)
    greedy = "(differences: from the greedy scores of trainer)"
    assert f"wnut17 {greedy} default 1 55.00 ± 0.00 +5.00 ± 0.00" in said
    assert f"wnut17 > btc {greedy} default 1 33.00 ± 0.00 +3.00 ± 0.00" in said
    assert "wnut17 greedy default 1 54.00 ± 0.00 +4.00 ± 0.00 trainer 1 50.00" in said
    assert "wnut17 ECE raw default 1 9.00 ± 0.00" in said
    assert f"mean over corpora {greedy} corpora mean difference default 1 55.00 +5.00" in said
    assert "mean over corpora greedy corpora mean difference default 1 54.00 +4.00" in said


def test_means_are_over_the_corpora_and_seeds_that_the_baseline_has_too(tmp_path, recipes, capsys):
    error = {"ai ECE raw": 9.0, "btc": 1.0}
    lines = [line("ai", "default", seed, 50.0 + seed) for seed in (1, 2)]
    lines += [line("ncbi", "default", 1, 80.0), line("ewt", "default", 1, 70.0)]
    # by 2 at ai, where seed 3 has no pair; by 4 at ncbi; ewt has no seed in common; no science
    lines += [line("ai", "faster-head", seed, 52.0 + seed, FASTER) for seed in (1, 2)]
    lines += [line("ai", "faster-head", 3, 0.0, FASTER, scores={"ai": 99.0, **error})]
    lines += [line("ncbi", "faster-head", 1, 84.0, FASTER)]
    lines += [line("ewt", "faster-head", 2, 1.0, FASTER)]
    lines += [line("science", "faster-head", 1, 1.0, FASTER)]
    said = tables_of(tmp_path, recipes, lines, capsys)
    heading = "mean over corpora corpora mean difference"
    # default: (51.5 + 80 + 70) / 3; faster-head: (53.5 + 84) / 2, and 2 and 4 by 3 ± sqrt(2 / 2)
    assert f"{heading} default 3 67.17 +0.00 ± 0.00 faster-head 2 68.75 +3.00 ± 1.00" in said
    greedy = "mean over corpora greedy corpora mean difference"
    assert f"{greedy} default 3 65.17 +0.00 ± 0.00 faster-head 2 66.75 +3.00 ± 1.00" in said
    assert said.count("mean over corpora") == 2  # none of calibration, of text abroad, of seconds


def test_without_a_baseline_there_are_no_means(tmp_path, recipes, capsys):
    lines = [line("ai", "faster-head", 1, 52.0, FASTER)]
    said = tables_of(tmp_path, recipes, lines, capsys)
    assert "ai faster-head 1 52.00 ± 0.00" in said
    assert "mean over corpora" not in said


def test_a_line_that_was_cut_off_is_run_again(tmp_path, recipes, monkeypatch, capsys):
    path = tmp_path / "results.jsonl"
    whole = line("ai", "default", 1, 50.0)
    path.write_text(whole + "\n" + line("ai", "faster-head", 1, 51.0, FASTER)[:40])
    result = {"scores": {"ai": 52.0}, "seconds": 1.0}
    monkeypatch.setattr(compare.Runner, "run", lambda self, corpus, recipe, seed: result)
    compare.main(arguments(tmp_path, recipes, "--corpora", "ai", "--seeds", "1"))
    assert f"{path}:2: the last line was cut off" in capsys.readouterr().err
    first, second = path.read_text().splitlines()
    assert first == whole
    assert json.loads(second)["scores"] == {"ai": 52.0}


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
    written = map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())
    effective = {each["recipe"]: each["effective"] for each in written if "commit" in each}
    assert effective["faster-head"]["training"]["head_learning_rate"] == 2e-3
    assert effective["default"]["training"]["head_learning_rate"] == "auto"
    ran.clear()
    compare.main(arguments(tmp_path, recipes, *chosen))
    assert ran == []


def test_the_peer_has_no_settings_of_ours(tmp_path, recipes, monkeypatch):
    result = {"scores": {"ai greedy": 52.0}, "seconds": 1.0}
    monkeypatch.setattr(compare.Runner, "run", lambda self, corpus, recipe, seed: result)
    chosen = ("--recipes", "trainer", "--corpora", "ai", "--seeds", "1")
    compare.main(arguments(tmp_path, recipes, *chosen))
    written = json.loads((tmp_path / "results.jsonl").read_text())
    assert written["effective"] is None
    assert "commit" in written


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
