"""A database of trials: what is drawn, what resumes, what is pruned, who has which trial."""

from __future__ import annotations

import subprocess
import sys

import pytest
import searches

from tfner.exceptions import BusyError, ConfigError, DivergedError, StorageError, Terminated
from tfner.training.search import proposals
from tfner.training.search.folder import SearchFolder
from tfner.training.search.proposals import STEPS
from tfner.training.search.search import ContradictionError, NoResultError, trial_settings
from tfner.training.search.study import Study


@pytest.fixture
def space(tmp_path):
    return searches.stub_space(tmp_path)


@pytest.fixture
def folder(space):
    return searches.new_folder(space)


def drawn(records):
    return [(record.number, dict(record.settings), record.f1) for record in records]


def test_the_first_trial_is_the_configuration_as_it_stands(tmp_path):
    """Here it lies outside of the space: no epochs of 4 are tried."""
    space = searches.stub_space(tmp_path, {"training.epochs": [2, 3], **searches.SPACE})
    stub = searches.Stub()
    records = searches.run_search(space, stub, 2)
    assert [record.is_base for record in records] == [True, False]
    assert records[0].settings == space.values_of(space.base)
    assert records[1].settings["training.epochs"] in (2, 3)
    base, other = stub.asked
    assert base.training == space.base.training
    assert base.model == space.base.model
    assert other.training.learning_rate == records[1].settings["training.learning_rate"]
    assert [record.f1 for record in records] == list(map(searches.f1_of, stub.asked))


def test_a_trial_looks_at_no_test_split_and_exports_nothing(space, folder):
    data = space.base.data.model_copy(update={"test": "held out"})
    object.__setattr__(space, "base", space.base.model_copy(update={"data": data}))
    claim = Study(folder, space).claim(1, "anybody")
    settings = trial_settings(folder, claim)
    assert settings.data.test is None
    assert not settings.export.enabled
    assert settings.run_dir == folder.trials / "001"
    assert settings.data.cache == str(folder.cache)


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory):
    """Carry out a search that nothing stops; give its trials."""
    space = searches.stub_space(tmp_path_factory.mktemp("alone"))
    return searches.run_search(space, searches.Stub(), 5)


def test_a_search_that_goes_on_draws_what_it_would_have_drawn(space, left_alone):
    searches.run_search(space, searches.Stub(), 2)
    later = searches.Stub()
    records = searches.run_search(space, later, 5)
    assert drawn(records) == drawn(left_alone)
    assert len(later.asked) == 3
    assert len({str(record.settings) for record in records}) == 5
    nothing = searches.Stub()
    assert searches.run_search(space, nothing, 5) == records
    assert nothing.asked == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Terminated, ConfigError])
def test_a_trial_that_is_stopped_is_the_next_one_to_go_on(space, stop, left_alone):
    class Stopped(searches.Stub):
        def __call__(self, settings, observe):
            if len(self.asked) == 1:
                self.asked.append(settings)
                observe(1, 4, 0.25)
                raise stop("stopped")
            return super().__call__(settings, observe)

    stopped, later = Stopped(), searches.Stub()
    with pytest.raises(stop, match="stopped"):
        searches.run_search(space, stopped, 3)
    records = searches.run_search(space, later, 3)
    assert [record.number for record in records] == [1, 2, 3]
    assert later.asked[0] == stopped.asked[1]
    assert later.asked[0].run_dir.name == "002"
    assert drawn(records) == drawn(left_alone[:3])


def test_a_trial_of_a_killed_process_is_claimed_again_and_counts_once(space, folder):
    killed, study = Study(folder, space), Study(folder, space)
    with folder.working() as alive:
        assert killed.claim(3, alive).number == 1
        # its process has no lock: it has ended
        lost = killed.claim(3, "killed")
        killed.report(lost, 1, 4, 0.3)
        with folder.working() as worker:
            again = study.claim(3, worker)
            assert (again.number, again.settings) == (lost.number, lost.settings)
            assert study.study.trials[again.trial.number].intermediate_values == {STEPS // 4: 0.3}
            assert study.claim(3, worker).number == 3
            assert study.claim(3, worker) is None
            study.finish(again, 0.5, 1.0)
    assert [(record.number, record.f1) for record in study.records()] == [(2, 0.5)]


def test_the_configuration_as_it_stands_survives_a_process_that_is_killed_at_once(space, folder):
    study = Study(folder, space)
    study.study.ask()  # and killed, before anything was noted of it
    with folder.working() as worker:
        claim = Study(folder, space).claim(1, worker)
    assert claim.is_base
    assert claim.settings == space.base


def test_several_processes_share_the_trials(tmp_path):
    command = [sys.executable, searches.__file__, str(tmp_path), "6"]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    both = [subprocess.Popen(command, **options) for _ in range(2)]
    for process in both:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
        assert said == ""  # what Optuna logs is none of a user's business
    space = searches.stub_space(tmp_path)
    records = Study(searches.new_folder(space), space).records()
    assert [record.number for record in records] == [1, 2, 3, 4, 5, 6]
    assert len({str(record.settings) for record in records}) == 6
    assert not any(SearchFolder(tmp_path / "runs" / "stub-tune").workers.iterdir())


def finish_some(study, folder, scores):
    """Finish trials of four epochs that had such dev F1."""
    with folder.working() as worker:
        for f1s in scores:
            claim = study.claim(99, worker)
            for epoch, f1 in enumerate(f1s, 1):
                assert not study.report(claim, epoch, len(f1s), f1)
            study.finish(claim, f1s[-1], 1.0)


def test_a_trial_behind_the_others_is_pruned(space, folder):
    study = Study(folder, space)
    good = [(0.30, 0.40, 0.50, 0.55), (0.32, 0.42, 0.50, 0.56), (0.34, 0.44, 0.50, 0.57)]
    finish_some(study, folder, [*good, *good])
    with folder.working() as worker:
        bad, level, slow = (study.claim(99, worker) for _ in range(3))
        assert study.report(bad, 1, 4, 0.2)
        assert not study.report(level, 1, 4, 0.33)
        assert study.report(level, 2, 4, 0.38)
        # its first epochs end where the others have not been scored yet
        assert not study.report(slow, 1, 12, 0.0)
        assert not study.report(slow, 2, 12, 0.0)
        assert study.report(slow, 3, 12, 0.0)
        for claim, f1 in ((bad, 0.2), (level, 0.38), (slow, 0.0)):
            study.finish(claim, f1, 1.0)
    pruned = [record for record in study.records() if record.state == "pruned"]
    assert [record.f1 for record in pruned] == [0.2, 0.38, 0.0]


def test_no_trial_is_pruned_at_its_end_nor_without_others_nor_where_that_is_not_wished(tmp_path):
    space = searches.stub_space(tmp_path)
    folder = searches.new_folder(space)
    study = Study(folder, space)
    finish_some(study, folder, [(0.3, 0.4, 0.5, 0.6)] * (proposals.STARTUP_TRIALS - 1))
    with folder.working() as worker:
        few = study.claim(99, worker)
        assert not study.report(few, 2, 4, 0.0)
        study.finish(few, 0.6, 1.0)
        last = study.claim(99, worker)
        assert not study.report(last, 1, 1, 0.0)
        never = Study(folder, space, prunes=False)
        assert not never.report(never.claim(99, worker), 2, 4, 0.0)


def test_the_configuration_as_it_stands_is_never_pruned(space, folder):
    study = Study(folder, space)
    with folder.working() as worker:
        base = study.claim(99, worker)
        assert base.is_base
        finish_some(study, folder, [(0.3, 0.4, 0.5, 0.6)] * proposals.STARTUP_TRIALS)
        assert not study.report(base, 2, 4, 0.0)


def test_a_pruned_trial_whose_process_is_killed_then_stays_pruned(space, folder):
    study = Study(folder, space)
    finish_some(study, folder, [(0.3, 0.4, 0.5, 0.6)] * proposals.STARTUP_TRIALS)
    assert study.report(study.claim(99, "killed"), 1, 4, 0.1)
    with folder.working() as worker:
        again = study.claim(99, worker)
        study.finish(again, 0.1, 1.0)  # its run had come to its end
    assert study.records()[-1].state == "pruned"


def test_trials_without_a_result_count_and_say_why(tmp_path):
    space = searches.stub_space(
        tmp_path, {"encoder.max_length": [16, 128], "encoder.overlap": [4, 32], **searches.SPACE}
    )

    class Failing(searches.Stub):
        def __call__(self, settings, observe):
            if len(self.asked) == 1:
                self.asked.append(settings)
                raise DivergedError("epoch 1, step 3: not finite")
            if len(self.asked) == 2:
                self.asked.append(settings)
                raise NoResultError("out of memory")
            return super().__call__(settings, observe)

    records = searches.run_search(space, Failing(), 8)
    assert len(records) == 8
    reasons = [record.reason for record in records if record.state == "failed"]
    assert "epoch 1, step 3: not finite" in reasons
    assert "out of memory" in reasons
    contradictory = []
    for record in records:
        drawn = record.settings
        if (drawn["encoder.max_length"], drawn["encoder.overlap"]) == (16, 32):
            contradictory.append(record)
    assert len(contradictory) == len(reasons) - 2 > 0
    assert all("overlap: at most half" in record.reason for record in contradictory)
    assert all(record.f1 is None for record in records if record.state == "failed")


def test_a_trial_whose_settings_contradict_one_another_counts_and_says_why(space):
    class Refusing(searches.Stub):
        def __call__(self, settings, observe):
            if len(self.asked) == 1:
                self.asked.append(settings)
                raise ContradictionError("training.batch_size: too few for this head")
            return super().__call__(settings, observe)

    records = searches.run_search(space, Refusing(), 3)
    assert [record.state for record in records] == ["finished", "failed", "finished"]
    assert records[1].reason == "training.batch_size: too few for this head"


def test_a_configuration_that_contradicts_itself_ends_the_search_until_it_is_mended(space):
    class Refusing(searches.Stub):
        def __call__(self, settings, observe):
            raise ContradictionError("training.batch_size: too few for this head")

    for _ in range(2):
        with pytest.raises(ConfigError, match=r"^training.batch_size: too few for this head$"):
            searches.run_search(space, Refusing(), 3)
    records = searches.run_search(space, searches.Stub(), 1)
    assert [(record.number, record.is_base) for record in records] == [(1, True)]


def test_the_same_settings_are_trained_once(tmp_path):
    space = searches.stub_space(tmp_path, {"training.batch_size": [16, 32]})
    stub = searches.Stub()
    records = searches.run_search(space, stub, 6)
    assert [settings.training.batch_size for settings in stub.asked] == [32, 16]
    twins = [record for record in records if record.twin]
    assert len(twins) == 4
    for record in twins:
        first = records[record.twin - 1]
        assert first.twin is None
        assert (record.f1, record.settings) == (first.f1, first.settings)


def test_what_matters_is_what_the_objective_depends_on(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)  # which is not needed, and slow to import
    wide = {"low": 0, "high": 0.5}
    space = searches.stub_space(tmp_path, {"model.dropout": wide, "training.weight_decay": wide})
    folder = searches.new_folder(space)
    study = Study(folder, space)
    finish_some(study, folder, [(0.5,)] * (proposals.FEWEST_FOR_IMPORTANCE - 1))
    assert study.importance() is None
    with folder.working() as worker:
        for _ in range(12):
            claim = study.claim(99, worker)
            study.finish(claim, 1.0 - claim.settings.model.dropout, 1.0)
    shares = study.importance()
    assert list(shares) == ["model.dropout", "training.weight_decay"]
    assert sum(shares.values()) == pytest.approx(1.0)


def test_another_search_in_the_folder_is_refused_and_can_be_deleted(tmp_path, space, folder):
    searches.run_search(space, searches.Stub(), 1)
    other = searches.stub_space(tmp_path, batch_size=8)
    with pytest.raises(ConfigError, match=r"settings\.training\.batch_size: 32 → 8\); choose"):
        folder.create(other)
    wider = searches.stub_space(tmp_path, {"model.dropout": {"low": 0, "high": 0.25}})
    with pytest.raises(ConfigError, match=r"space\.model\.dropout\.high: 0\.5 → 0\.25"):
        folder.create(wider)
    with folder.working(), pytest.raises(BusyError, match="another process works on this search"):
        folder.create(other, overwrite=True)
    folder.create(other, overwrite=True)
    assert Study(folder, other).records() == []


def test_a_folder_of_something_else_is_left_alone(tmp_path, space):
    folder = SearchFolder(tmp_path / "runs" / "stub-tune")
    folder.path.mkdir(parents=True)
    (folder.path / "config.yaml").write_text("name: x\n")
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="expected a folder of a search, or none"):
            folder.create(space, overwrite=overwrite)
    assert (folder.path / "config.yaml").exists()


def test_a_damaged_database_is_named(space, folder):
    folder.storage.write_bytes(b"no database " * 200)
    with pytest.raises(StorageError, match=r"search\.db: cannot be used: file is not a database"):
        Study(folder, space)
