"""Work out, without training, how many updates a configuration makes of its training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from tfner.config import RunSettings
from tfner.corpus.context import usual_context
from tfner.corpus.ledger import Ledger
from tfner.corpus.verdicts.verdict import Kind, Verdict, count_of
from tfner.data.encoded_corpus import EncodedCorpus, encode
from tfner.data.shards.sharded_corpus import ShardedCorpus
from tfner.documents import Document
from tfner.setting_groups import TrainingSettings
from tfner.tagging.schemes import LabelSet
from tfner.tokenizers.protocol import Tokenizer
from tfner.training.batches import make_batches
from tfner.training.run_inputs import RunInputs, Splits
from tfner.training.schedule import FEW_UPDATES, Schedule, choose_schedule, enough_updates
from tfner.training.state.run_folder import RunFolder


def forecast_schedule(
    settings: RunSettings, documents: Sequence[Document], tokenizer: Tokenizer, labels: LabelSet
) -> Schedule | None:
    """Encode and batch the training split as a run would, and count; nothing is written.

    None where teachers label further text: what they have seen of it is not known before.
    """
    if settings.data.unlabelled is not None:
        return None
    settings = settings.resolve_context(usual_context(documents))
    corpus = encode(documents, tokenizer, labels, Ledger(), **settings.encoding_options())
    folder = RunFolder(settings.run_dir)
    checkpoint = Path(settings.encoder.checkpoint)
    corpora: dict[str, EncodedCorpus | ShardedCorpus] = {"train": corpus}
    silent = Console(quiet=True)
    inputs = RunInputs(settings, folder, Splits(), labels, checkpoint, tokenizer, corpora, silent)
    batches = make_batches(inputs)
    return choose_schedule(settings.training, batches.steps_per_epoch)


def describe_schedule(schedule: Schedule) -> str:
    """Say how many updates a training makes.

    >>> describe_schedule(Schedule(epochs=3, passes=1, steps_per_pass=107))
    'training makes 321 updates: 3 epochs of 107'
    >>> describe_schedule(Schedule(epochs=1, passes=3, steps_per_pass=1))
    'training makes 3 updates: 1 epoch of 3'
    """
    updates = count_of(schedule.updates, "update")
    epochs = count_of(schedule.epochs, "epoch")
    return f"training makes {updates}: {epochs} of {schedule.steps_per_epoch:,}"


def judge_schedule(settings: TrainingSettings, schedule: Schedule) -> Iterator[Verdict]:
    """Find a training that is too short to teach anything."""
    if schedule.updates < FEW_UPDATES:
        updates = count_of(schedule.updates, "update")
        taught = f"fewer than {FEW_UPDATES}, which have taught no corpus anything of use"
        advice = f"Set {enough_updates(settings, schedule)}."
        kind = Kind("few updates", "error", advice)
        yield kind.verdict(f"The settings make {updates}, {taught}")
