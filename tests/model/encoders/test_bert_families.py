"""Each family of checkpoints against what PyTorch computed of the same weights.

`tests/fixtures/families/make.py` says how they were made.
"""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from tfner.exceptions import ModelError
from tfner.model.encoders.encoder import EncoderInput
from tfner.model.encoders.families import build_encoder, check_checkpoint

FIXTURES = Path(__file__).parents[2] / "fixtures/families"
NAMES = (
    "bert",
    "electra",
    "electra-projected",
    "distilbert",
    "roberta",
    "xlm-roberta",
    "camembert",
)
PREFIXES = {"distilbert": "distilbert.", "roberta": "roberta.", "electra": "electra."}
IMPLEMENTATIONS = ("fused", "reference")
NEAR = {"rtol": 0, "atol": 1e-5}

every_family = pytest.mark.parametrize("name", NAMES)
either_way = pytest.mark.parametrize("implementation", IMPLEMENTATIONS)


class Example:
    """Ids and hidden states of three texts, padded as PyTorch had them."""

    def __init__(self, name: str):
        with np.load(FIXTURES / name / "expected.npz") as arrays:
            self.ids = arrays["ids"].astype(np.int32)
            self.hidden = arrays["hidden"]
            self.lengths = arrays["lengths"].tolist()
        columns = np.arange(self.ids.shape[1])
        self.mask = (columns < np.array(self.lengths)[:, None]).astype(np.int32)

    @property
    def padded(self) -> EncoderInput:
        return EncoderInput(tf.constant(self.ids), tf.constant(self.mask))

    @property
    def real(self) -> np.ndarray:
        """The hidden states of what is not padding, one text after the other, [N, H]."""
        return self.hidden[self.mask > 0]

    @property
    def packed(self) -> EncoderInput:
        """The three texts in one row, with a piece of padding behind them."""
        ids = [*self.ids[self.mask > 0], self.ids[0, 0]]
        segments = np.repeat([1, 2, 3, 0], [*self.lengths, 1])
        positions = [position for length in (*self.lengths, 1) for position in range(length)]
        return EncoderInput(
            *(tf.constant([values], tf.int32) for values in (ids, segments, positions))
        )


@functools.cache
def encoder(name: str, implementation: str = "fused"):
    return build_encoder(FIXTURES / name, implementation=implementation)


def copied(name: str, folder: Path) -> Path:
    """A copy of a family's folder, to be changed."""
    shutil.copytree(FIXTURES / name, folder, dirs_exist_ok=True)
    return folder


def with_tensors(name: str, folder: Path, change) -> Path:
    """A copy of a family's folder with other tensors."""
    tensors = load_file(FIXTURES / name / "model.safetensors")
    save_file(change(tensors), copied(name, folder) / "model.safetensors")
    return folder


def with_config(name: str, folder: Path, **changes) -> Path:
    """A copy of a family's folder with other settings; those of None are left out."""
    path = copied(name, folder) / "config.json"
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))
    return folder


# --- what is computed -----------------------------------------------------------------------------


@every_family
@either_way
def test_padded_rows(name, implementation):
    example = Example(name)
    hidden = encoder(name, implementation)(example.padded).numpy()
    np.testing.assert_allclose(hidden[example.mask > 0], example.real, **NEAR)


@every_family
@either_way
def test_packed_rows(name, implementation):
    example = Example(name)
    hidden = encoder(name, implementation)(example.packed).numpy()
    np.testing.assert_allclose(hidden[0, :-1], example.real, **NEAR)


@every_family
def test_the_copy_of_an_export_that_was_saved_and_loaded(tmp_path, name):
    example = Example(name)
    module = tf.Module()
    copy = encoder(name).export_copy(tf.float32)
    spec = tf.TensorSpec([None, None], tf.int32)
    module.variables_of_copy = copy.variables
    module.encode = tf.function(
        lambda ids, mask: copy.call(EncoderInput(ids, mask, wanted=mask > 0)),
        input_signature=[spec, spec],
        autograph=False,
    )
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    hidden = loaded.encode(*example.padded[:2]).numpy()
    np.testing.assert_allclose(hidden[example.mask > 0], example.real, **NEAR)


@every_family
def test_bfloat16_is_near(name):
    example = Example(name)
    copy = encoder(name).export_copy(tf.bfloat16)
    real = example.mask > 0
    hidden = copy.call(example.padded._replace(wanted=real))
    hidden = tf.cast(hidden, tf.float32).numpy()[real]
    largest = np.abs(example.real).max()
    np.testing.assert_allclose(hidden, example.real, rtol=0, atol=0.06 * largest)
    assert {variable.dtype for variable in copy.variables} == {tf.bfloat16, tf.float32}


@every_family
def test_rows_of_embeddings_are_trained_apart(name):
    example = Example(name)
    model = build_encoder(FIXTURES / name)
    used = np.unique(example.ids)
    model.restrict_embedding_update(used)
    rows = model.checkpoint_objects["_rows"].trainable_weights[0]
    assert rows.shape == [len(used) + 1, model.word_embeddings.shape[1]]
    variables = [*model.trainable_weights, rows]
    assert not any(variable is model.word_embeddings for variable in variables)
    with tf.GradientTape() as tape:
        hidden = model(example.packed, training=True)
        total = tf.reduce_sum(hidden**3)
    gradients = tape.gradient(total, variables)
    assert all(gradient is not None for gradient in gradients)
    rows.assign_add(0.5 * tf.ones_like(rows))
    trained = model(example.padded).numpy()
    model.sync_embeddings()
    example_again = build_encoder(FIXTURES / name)
    example_again.bert.set_weights(model.bert.get_weights())
    np.testing.assert_allclose(example_again(example.padded).numpy(), trained, **NEAR)


def test_token_types_that_a_family_has_not_are_zeros_that_stay(tmp_path):
    for pretrained in (True, False):
        model = build_encoder(FIXTURES / "distilbert", pretrained=pretrained)
        table = model.bert.embeddings.token_type_embeddings
        assert not table.numpy().any()
        assert not any(variable is table for variable in model.trainable_weights)
        assert len(model.trainable_weights) == len(model.weights) - 1


@every_family
def test_random_weights_need_no_file(tmp_path, name):
    (copied(name, tmp_path) / "model.safetensors").unlink()
    model = build_encoder(tmp_path, pretrained=False)
    shapes = [weight.shape for weight in encoder(name).weights]
    assert [weight.shape for weight in model.weights] == shapes
    assert names(model) == names(encoder(name))


def names(model) -> list[str]:
    """The names of an encoder's weights without that of its model, which has a number."""
    return [weight.name.partition("/")[2] for weight in model.weights]


def test_windows_are_as_long_as_the_positions_behind_the_unused_ones():
    positions = {name: encoder(name).max_positions for name in NAMES}
    offset = dict.fromkeys(("roberta", "xlm-roberta", "camembert"), 38)
    assert positions == {**dict.fromkeys(NAMES, 40), **offset}


def test_positions_begin_behind_the_padding_whichever_id_it_has(tmp_path):
    def move_down(tensors):
        name = "roberta.embeddings.position_embeddings.weight"
        return {**tensors, name: np.concatenate([tensors[name][:1], tensors[name]])}

    with_tensors("roberta", tmp_path, move_down)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"pad_token_id": 2, "max_position_embeddings": 41}
    (tmp_path / "config.json").write_text(json.dumps(config))
    example = Example("roberta")
    hidden = build_encoder(tmp_path)(example.padded).numpy()
    np.testing.assert_allclose(hidden[example.mask > 0], example.real, **NEAR)


@every_family
def test_weights_are_written_as_their_file_has_them(name):
    written = encoder(name).checkpoint_tensors()
    own = load_file(FIXTURES / name / "model.safetensors")
    assert written.keys() == {key for key in own if not key.startswith("classifier.")}
    unused = 40 - encoder(name).max_positions
    for key, value in written.items():
        if key.endswith("position_embeddings.weight"):
            assert not value[:unused].any()
            own[key][:unused] = 0
        np.testing.assert_array_equal(value, own[key], strict=True)


# --- what files hold ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PREFIXES)
def test_a_bare_encoder_has_names_without_a_prefix(tmp_path, name):
    def strip(tensors):
        prefix = PREFIXES[name]
        return {
            key.removeprefix(prefix): value
            for key, value in tensors.items()
            if key.startswith(prefix)
        }

    example = Example(name)
    hidden = build_encoder(with_tensors(name, tmp_path, strip))(example.padded).numpy()
    np.testing.assert_allclose(hidden[example.mask > 0], example.real, **NEAR)


def test_heads_and_poolers_are_left_out(tmp_path):
    zeros = np.zeros((4, 4), np.float32)
    heads = {
        "lm_head.dense.weight": zeros,
        "classifier.out_proj.weight": zeros,
        "roberta.pooler.dense.weight": zeros,
        "roberta.embeddings.position_ids": np.arange(40)[None],
    }
    folder = with_tensors("roberta", tmp_path, lambda tensors: {**tensors, **heads})
    example = Example("roberta")
    hidden = build_encoder(folder)(example.padded).numpy()
    np.testing.assert_allclose(hidden[example.mask > 0], example.real, **NEAR)


LIN2 = "distilbert.transformer.layer.1.ffn.lin2.bias"
PROJECTION = "electra.embeddings_project.weight"


def without(key):
    return lambda tensors: {name: value for name, value in tensors.items() if name != key}


def with_another(key):
    return lambda tensors: {**tensors, key: np.zeros(24, np.float32)}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("distilbert", without(LIN2), f"1 are missing, for example {LIN2}$"),
        (
            "distilbert",
            with_another(LIN2.replace("layer.1", "layer.2")),
            r"1 have no place in it, for example distilbert\.transformer\.layer\.2\.ffn\.lin2",
        ),
        (
            "distilbert",
            with_another("distilbert.encoder.layer.1.output.dense.bias"),
            r"expected distilbert\.encoder\.layer\.1\.output\.dense\.bias or "
            rf"{LIN2} in the weights, got both$",
        ),
        ("electra-projected", without(PROJECTION), f"1 are missing, for example {PROJECTION}$"),
        (
            "electra",
            with_another("electra.embeddings_project.bias"),
            r"1 have no place in it, for example electra\.embeddings_project\.bias$",
        ),
        (
            "roberta",
            without("roberta.embeddings.token_type_embeddings.weight"),
            r"1 are missing, for example roberta\.embeddings\.token_type_embeddings\.weight$",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named_as_in_their_file(tmp_path, name, change, message):
    with pytest.raises(ModelError, match=message) as caught:
        build_encoder(with_tensors(name, tmp_path, change))
    assert str(caught.value).startswith(str(tmp_path))


SHAPE = "weights of another shape than config.json says"


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("roberta", {"max_position_embeddings": 41}, SHAPE),
        ("roberta", {"vocab_size": 300}, SHAPE),
        ("electra-projected", {"embedding_size": 24}, SHAPE),
        ("electra-projected", {"embedding_size": 12}, SHAPE),
        ("electra", {"embedding_size": 16}, SHAPE),
        ("distilbert", {"hidden_dim": 48}, SHAPE),
        ("distilbert", {"n_layers": 3}, "16 are missing"),
        (
            "distilbert",
            {"n_layers": 0},
            "config.json: no BERT can be built from it: n_layers: expected a whole number of at "
            "least 1, got 0$",
        ),
        ("distilbert", {"n_heads": 5}, "dim: expected a multiple of 5 heads, got 24$"),
        ("distilbert", {"dropout": 1}, "dropout: expected a number from 0 to below 1, got 1$"),
        ("distilbert", {"activation": ["gelu"]}, r"activation: expected a name, got \['gelu'\]$"),
        (
            "electra-projected",
            {"embedding_size": "16"},
            "embedding_size: expected a whole number of at least 1, got '16'$",
        ),
        (
            "roberta",
            {"max_position_embeddings": 2},
            "max_position_embeddings: expected more than 2 rows, got 2$",
        ),
        ("electra-projected", {"embedding_size": 10**8}, "expected at most 4,000,000,000 weights"),
    ],
)
def test_settings_that_do_not_fit_are_named_as_in_their_file(tmp_path, name, changes, message):
    with pytest.raises(ModelError, match=message):
        build_encoder(with_config(name, tmp_path, **changes))


def test_a_tensorflow_file_is_read_of_bert_alone(tmp_path):
    (copied("roberta", tmp_path) / "model.safetensors").unlink()
    (tmp_path / "tf_model.h5").write_bytes(b"")
    with pytest.raises(ModelError, match=r"of a roberta as safetensors, got tf_model\.h5 alone$"):
        check_checkpoint(tmp_path, pretrained=True)


@pytest.mark.parametrize("kind", ["deberta-v2", "modernbert", "albert"])
def test_what_is_no_bert_inside_is_refused_by_name(tmp_path, kind):
    known = "bert, camembert, distilbert, electra, roberta or xlm-roberta"
    with pytest.raises(ModelError, match=f"expected model_type {known}, got {kind}$"):
        check_checkpoint(with_config("bert", tmp_path, model_type=kind), pretrained=True)
