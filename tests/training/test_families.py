"""Small checkpoints of every family train, go on after an interruption, and are exported.

Each takes as long as a training and two exports do, so they are marked slow.
"""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
import tiny_pieces
import yaml
from rich.console import Console

import tfner
from tfner.config import load_settings
from tfner.training.callbacks import ProgressBar
from tfner.training.restore import export_run, open_model
from tfner.training.run import train

FIXTURES = Path(__file__).parents[1] / "fixtures/families"
SENTENCE = "{} B-PER\nmet O\n{} B-PER\nin O\n{} B-LOC\n"
TEXT = "Clara met Boris in Oslo"
FOUND = [("Clara", "PER"), ("Boris", "PER"), ("Oslo", "LOC")]
# family → the class of its tokenizer, how rows are made and who computes hidden states
FAMILIES = {
    "electra-projected": ("ElectraTokenizer", "packed", "fused"),
    "electra": ("ElectraTokenizer", "padded", "fused"),
    "distilbert": ("DistilBertTokenizer", "packed", "fused"),
    "roberta": ("BertTokenizer", "packed", "fused"),
    "xlm-roberta": ("XLMRobertaTokenizer", "padded", "fused"),
    "camembert": ("CamembertTokenizer", "packed", "reference"),
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def write_checkpoint(name: str, folder: Path) -> Path:
    """Write a family's weights with a small tokenizer of its kind."""
    shutil.copytree(FIXTURES / name, folder)
    kind, *_ = FAMILIES[name]
    tiny_pieces.add_tokenizer(folder, kind)
    return folder


@pytest.fixture(scope="module", params=FAMILIES)
def settings(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    names = ("Anna", "Boris", "Clara", "David")
    triples = [(a, b, place) for a in names for b in names for place in ("Oslo", "Lima")]
    sentences = [SENTENCE.format(*triple) for triple in triples]
    (folder / "train.conll").write_text("\n".join(sentences * 4))
    (folder / "dev.conll").write_text("\n".join(sentences))
    _, batching, implementation = FAMILIES[request.param]
    values = {
        "name": "family",
        "data": {"train": str(folder / "train.conll"), "dev": str(folder / "dev.conll")},
        "encoder": {
            "checkpoint": str(write_checkpoint(request.param, folder / "checkpoint")),
            "max_length": 38,
            "overlap": 4,
            "implementation": implementation,
        },
        "training": {
            "epochs": 3,
            "batch_size": 8,
            "learning_rate": 5e-3,
            "batching": batching,
            "export_on_interrupt": False,
            "precision": "mixed_bfloat16" if implementation == "reference" else "float32",
        },
        "runs_dir": str(folder / "runs"),
        "exports_dir": str(folder / "exports"),
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(values))
    return load_settings(folder / "run.yaml")


def interrupt_at(patch, epoch: int) -> None:
    """Ctrl-C as an epoch begins."""
    begin = ProgressBar.on_epoch_begin

    def on_epoch_begin(self, number, logs=None):
        if number == epoch:
            raise KeyboardInterrupt
        begin(self, number, logs)

    patch.setattr(ProgressBar, "on_epoch_begin", on_epoch_begin)


def found(recognizer) -> list[tuple[str, str]]:
    return [(entity.text, entity.label) for entity in recognizer(TEXT)]


def test_it_is_interrupted_goes_on_and_is_exported(settings, tmp_path, monkeypatch):
    console = Console(file=io.StringIO())
    with monkeypatch.context() as patch:
        interrupt_at(patch, 1)
        assert train(settings, console).state == "interrupted"
    outcome = train(settings, console)
    assert outcome.state == "finished"
    assert outcome.reports["dev"].scores.micro.f1 > 0.95
    exported, restored = tfner.load(outcome.export), open_model(settings.run_dir)
    assert found(exported) == found(restored) == FOUND
    scores = [[entity.score for entity in model(TEXT)] for model in (exported, restored)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)
    half = export_run(settings.run_dir, tmp_path, ["precision=bfloat16"])
    assert found(tfner.load(half)) == FOUND
