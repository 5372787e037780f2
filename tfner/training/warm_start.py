"""Begin a run from a tagger: its encoder's weights, and of its head the tags that are learned on.

A tagger is the folder of a run, or a checkpoint that was fine-tuned for token classification.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfner.config import RunSettings
from tfner.conversion.fine_tuned import (
    HeadWeights,
    check_hidden_size,
    check_outputs,
    read_config,
    read_head,
)
from tfner.conversion.label_names import names_in_order, read_outputs
from tfner.exceptions import ConfigError, ModelError
from tfner.model.classifier import TokenClassifier
from tfner.model.heads.head import HEADS
from tfner.safeio.sources import CHECKPOINT, is_fine_tuned, is_run, read_size
from tfner.tagging.schemes import LabelSet
from tfner.training.environment import describe_folder
from tfner.training.restore import restore_classifier
from tfner.training.state.run_folder import RunFolder

ENCODER_ALONE = "model.keep_head=false takes the encoder alone"
TagAxes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class TrainedTagger:
    """Hold the weights that a run may begin from.

    Args:
        source: as `encoder.checkpoint` names it.
        content: the folder that decides them.
        encoder: the weights of its encoder in their order; None where the encoder is built with
            them.
        head: those of its head by name, as `Head.tag_axes` describes them.
        tags: in the order of the head's columns.
        scheme: of the tags.
    """

    source: str
    content: Path
    encoder: list[np.ndarray] | None
    head: Mapping[str, np.ndarray]
    tags: tuple[str, ...]
    scheme: str


@dataclass(frozen=True)
class HeadPlan:
    """Say what of a tagger's head is kept, what is new, and what of it is dropped.

    Args:
        tags, new_tags, dropped_tags: those of both, of the run alone, of the tagger alone.
        weights, new_weights, dropped_weights: names of variables, in the same way.
        reason: why none is kept, where they could have been.
    """

    tags: tuple[str, ...] = ()
    new_tags: tuple[str, ...] = ()
    dropped_tags: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    new_weights: tuple[str, ...] = ()
    dropped_weights: tuple[str, ...] = ()
    reason: str = ""

    def describe(self, source: str) -> str:
        """Say it in a line.

        >>> HeadPlan(("O", "B-A", "I-A"), ("B-C", "I-C"), weights=("kernel",)).describe("runs/a")
        'head: 3 tags from runs/a, 2 new: B-C, I-C'
        """
        text = f"head: {len(self.tags)} tags from {source}, {count_names(self.new_tags, 'new')}"
        if self.reason:
            text += f" ({self.reason})"
        if self.dropped_tags:
            text += f"; {count_names(self.dropped_tags, 'not learned here')}"
        if self.tags and self.new_weights:
            text += f"; new: {', '.join(self.new_weights)}"
        if self.tags and self.dropped_weights:
            text += f"; dropped: {', '.join(self.dropped_weights)}"
        return text


@dataclass
class WarmStart:
    """Fill a model from a tagger, once, and say what it has from it.

    Args:
        tagger: None when it is no longer needed.
        plan: of the head.
        fingerprint: a hash of what the tagger is.
    """

    tagger: TrainedTagger | None
    source: str
    plan: HeadPlan
    fingerprint: str

    def describe(self) -> dict[str, Any]:
        """Give what a report says of it; what is empty is left out."""
        described: dict[str, Any] = {"source": self.source, "sha256": self.fingerprint}
        for key, value in asdict(self.plan).items():
            if value:
                described[key] = value if isinstance(value, str) else list(value)
        return described

    def apply(self, model: TokenClassifier) -> None:
        """Fill a model that has just been built, and let go of the tagger's weights.

        Raises:
            ModelError: a weight has another shape.
        """
        tagger, self.tagger = self.tagger, None
        if tagger is None:
            return
        if tagger.encoder is not None:
            check_shapes(self.source, model.encoder.weights, tagger.encoder)
            for variable, value in zip(model.encoder.weights, tagger.encoder, strict=True):
                variable.assign(value)
        head = model.head
        old = [tagger.tags.index(tag) for tag in self.plan.tags]
        new = [head.labels.id(tag) for tag in self.plan.tags]
        for name in self.plan.weights:
            variable = getattr(head, name)
            axes = head.tag_axes[name]
            values = variable.numpy()
            variable.assign(keep_tags(values, tagger.head[name], axes, new, old))


def count_names(names: Sequence[str], what: str) -> str:
    """Count names of one kind and list them.

    >>> count_names(["B-A"], "new"), count_names([], "new")
    ('1 new: B-A', '0 new')
    """
    listed = ", ".join(names)
    return f"{len(names)} {what}: {listed}" if names else f"0 {what}"


def find_warm_start(settings: RunSettings, checkpoint: Path, labels: LabelSet) -> WarmStart | None:
    """Read what a run begins from, if that is a tagger.

    Args:
        settings: of the run.
        checkpoint: the folder with the encoder's config.json.
        labels: what the run learns.

    Raises:
        ModelError: it has no weights, they are damaged, or its head is not one linear layer.
        ConfigError: its tags cannot be read, or it is the run itself.
    """
    if settings.encoder.initialize != "pretrained":
        return None
    source = settings.encoder.checkpoint
    keeps_head = settings.model.keep_head
    if is_run(Path(source)):
        check_is_another(Path(source), settings.run_dir)
        tagger = read_run(source)
    elif keeps_head and is_fine_tuned(checkpoint):
        tagger = read_fine_tuned(source, checkpoint)
    else:
        return None
    kind = HEADS.get(settings.model.head)
    axes = getattr(kind, "tag_axes", {})
    plan = HeadPlan(new_tags=labels.tags, reason="model.keep_head is false")
    if keeps_head:
        plan = plan_head(tagger, labels, axes)
    described = describe_folder(tagger.content)
    return WarmStart(tagger, source, plan, described["sha256"])


def check_is_another(source: Path, run_dir: Path) -> None:
    """Refuse a run that would begin from itself: to write it anew is to delete what it begins from.

    Raises:
        ConfigError: it is one.
    """
    if source.resolve() == run_dir.resolve():
        expected = "expected another run than the one that is trained"
        raise ConfigError(f"{CHECKPOINT}: {expected}, got {source}; choose another name")


def read_run(source: str) -> TrainedTagger:
    """Read the best weights of a run."""
    folder = RunFolder(Path(source))
    labels = folder.load_labels()
    model = restore_classifier(folder, folder.settings)
    encoder = [weight.numpy() for weight in model.encoder.weights]
    head = {name: getattr(model.head, name).numpy() for name in model.head.tag_axes}
    return TrainedTagger(source, folder.best, encoder, head, labels.tags, labels.scheme)


def read_fine_tuned(source: str, folder: Path) -> TrainedTagger:
    """Read the head of a fine-tuned checkpoint."""
    try:
        where = str(folder / "config.json")
        names = names_in_order(read_config(folder), where)
        outputs = read_outputs(names, None, where)
        weights = read_head(folder)
        check_outputs(folder, weights, names)
        check_head(folder, weights)
    except (ConfigError, ModelError) as error:
        raise type(error)(f"{CHECKPOINT}: {error}; {ENCODER_ALONE}") from None
    pairs = zip(outputs.labels.tags, outputs.outputs, strict=True)
    number = {tag: output for tag, output in pairs if output is not None}
    order = list(number.values())
    kernel_KH = weights.kernel[order]
    head = {"kernel": kernel_KH.T, "bias": weights.bias[order]}
    return TrainedTagger(source, folder, None, head, tuple(number), outputs.labels.scheme)


def check_head(folder: Path, weights: HeadWeights) -> None:
    """Check that a fine-tuned head is over the hidden states of its encoder."""
    hidden = read_size(folder / "config.json", "hidden_size")
    try:
        check_hidden_size(weights, hidden)
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from None


def plan_head(tagger: TrainedTagger, labels: LabelSet, axes: TagAxes) -> HeadPlan:
    """Compare a tagger's head with that of a run.

    Args:
        axes: of the run's head, by the names of its variables.
    """
    if not axes or not tagger.head:
        return HeadPlan(new_tags=labels.tags, reason="these heads have no tags to take over")
    if tagger.scheme != labels.scheme:
        reason = f"its tags are {tagger.scheme}, those of the run {labels.scheme}"
        return HeadPlan(new_tags=labels.tags, reason=reason)
    tags = split(labels.tags, tagger.tags)
    weights = split(tuple(axes), tuple(tagger.head))
    return HeadPlan(*tags, *weights)


def split(
    mine: Sequence[str], theirs: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Split names into those of both, mine alone and theirs alone.

    >>> split(["O", "B-A"], ["B-C", "O"])
    (('O',), ('B-A',), ('B-C',))
    """
    both = tuple(name for name in mine if name in theirs)
    new = tuple(name for name in mine if name not in theirs)
    dropped = tuple(name for name in theirs if name not in mine)
    return both, new, dropped


def keep_tags(
    values: np.ndarray,
    trained: np.ndarray,
    axes: Sequence[int],
    new: Sequence[int],
    old: Sequence[int],
) -> np.ndarray:
    """Copy into a head's variable what a trained one has of the same tags.

    A kernel of two hidden numbers over O, B-A, I-A, from one over O, B-B, B-A:

        >>> values, trained = np.zeros([2, 3]), np.array([[1, 2, 3], [4, 5, 6]])
        >>> keep_tags(values, trained, [1], [0, 1], [0, 2]).tolist()
        [[1.0, 3.0, 0.0], [4.0, 6.0, 0.0]]

    Args:
        values: as it was initialized.
        trained: of the same number of axes.
        axes: which of them run over tags.
        new, old: the numbers of the kept tags in both.
    """
    kept = values.copy()
    sizes = enumerate(values.shape)
    everything = {axis: np.arange(size) for axis, size in sizes}
    targets = [new if axis in axes else numbers for axis, numbers in everything.items()]
    sources = [old if axis in axes else numbers for axis, numbers in everything.items()]
    kept[np.ix_(*targets)] = trained[np.ix_(*sources)]
    return kept


def check_shapes(source: str, variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Check that weights fit.

    Raises:
        ModelError: they do not.
    """
    expected = [tuple(variable.shape) for variable in variables]
    got = [value.shape for value in values]
    if expected != got:
        raise ModelError(f"{source}: expected the weights of its encoder, got others")
