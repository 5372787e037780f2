"""The encoder from the files that people have.

Right numbers for right files, and an error that names the fault for the others.
"""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfner.exceptions import ModelError
from tfner.model.encoders.bert_checkpoint import build_tf_bert
from tfner.model.encoders.checkpoints import resolve_checkpoint
from tfner.model.encoders.families import build_encoder

IDS = np.random.default_rng(5).integers(5, 200, (3, 7)).astype(np.int32)
MASK = (np.arange(7) < np.array([[7], [4], [1]])).astype(np.int32)


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def slow_bert(tensors, ids_BT, mask_BT, config):
    """BERT as its paper has it, in float64 numpy over PyTorch's tensors.

    Int [B, T] -> [B, T, H].
    """

    def dense(x, name):
        return x @ tensors[f"{name}.weight"].astype(np.float64).T + tensors[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + config["layer_norm_eps"])
        return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def heads(x):
        return x.reshape(*x.shape[:2], config["num_attention_heads"], -1).transpose(0, 2, 1, 3)

    def attention(x, name):
        q, k, v = (heads(dense(x, f"{name}.self.{part}")) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 1, 3, 2) / math.sqrt(q.shape[-1])
        weights = np.where(
            mask_BT[:, None, None, :] > 0, np.exp(scores - scores.max(-1, keepdims=True)), 0.0
        )
        mixed = (weights / weights.sum(-1, keepdims=True)) @ v
        return dense(mixed.transpose(0, 2, 1, 3).reshape(x.shape), f"{name}.output.dense")

    words, positions, types = (
        tensors[f"embeddings.{kind}_embeddings.weight"]
        for kind in ("word", "position", "token_type")
    )
    x = norm(
        words[ids_BT].astype(np.float64) + positions[: ids_BT.shape[1]] + types[0],
        "embeddings.LayerNorm",
    )
    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}"
        x = norm(x + attention(x, f"{name}.attention"), f"{name}.attention.output.LayerNorm")
        x = norm(
            x + dense(gelu(dense(x, f"{name}.intermediate.dense")), f"{name}.output.dense"),
            f"{name}.output.LayerNorm",
        )
    return x


def hidden(encoder, ids=IDS, mask=MASK):
    return tiny.hidden_states(encoder, ids, mask)


def expected():
    return slow_bert(tiny.tensors(), IDS, MASK, tiny.CONFIG)


def assert_right(encoder):
    real = MASK.astype(bool)
    np.testing.assert_allclose(hidden(encoder)[real], expected()[real], rtol=1e-4, atol=1e-5)


def prefixed(names=None):
    return {f"bert.{name}": value for name, value in (names or tiny.tensors()).items()}


def with_heads():
    zeros = np.zeros((4, 4), np.float32)
    extra = {
        "bert.pooler.dense.weight": zeros,
        "bert.embeddings.position_ids": np.arange(128)[None],
        "cls.predictions.transform.dense.weight": zeros,
        "cls.seq_relationship.bias": zeros,
        "classifier.weight": zeros,
    }
    return {**prefixed(), **extra}


def old_names():
    """As checkpoints of 2018 call the scale and shift of layer norm."""
    return {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for name, value in prefixed().items()
    }


def bare_with_pooler():
    return {
        **tiny.tensors(),
        "pooler.dense.weight": np.zeros((32, 32), np.float32),
        "embeddings.position_ids": np.arange(128)[None],
    }


@pytest.mark.parametrize("named", [prefixed, with_heads, old_names, bare_with_pooler])
def test_safetensors_as_pytorch_writes_them(tmp_path, named):
    assert_right(build_encoder(tiny.write_checkpoint(tmp_path, named())))


def test_half_precision_tensors_are_widened(tmp_path):
    encoder = build_encoder(
        tiny.write_checkpoint(
            tmp_path, {name: value.astype(np.float16) for name, value in prefixed().items()}
        )
    )
    assert {variable.dtype for variable in encoder.weights} == {tf.float32}
    np.testing.assert_allclose(hidden(encoder)[0], expected()[0], atol=0.02)


def test_shards_that_an_index_names(tmp_path):
    from safetensors.numpy import save_file

    tiny.write_checkpoint(tmp_path, None)
    names = sorted(prefixed())
    shards = {
        "model-00001-of-00002.safetensors": names[:11],
        "model-00002-of-00002.safetensors": names[11:],
    }
    for file, part in shards.items():
        save_file({name: prefixed()[name] for name in part}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(
        json.dumps({"weight_map": {name: file for file, part in shards.items() for name in part}})
    )
    assert_right(build_encoder(tmp_path))
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(
        ModelError, match=r"model-00002-of-00002\.safetensors: damaged or no safetensors file"
    ):
        build_encoder(tmp_path)
    for wrong, message in (
        ("{", ":1:2: not valid JSON: "),
        ("[]", r": expected a JSON object, got \[\]$"),
        (
            "{}",
            ": expected a JSON object with weight_map, which gives each tensor its file, got None$",
        ),
        (
            '{"weight_map": 3}',
            ": expected a JSON object with weight_map, which gives each tensor its file, got 3$",
        ),
        (
            '{"weight_map": {"a": "../b.safetensors"}}',
            r": expected weight_map to name .* of this folder, got '\.\./b\.safetensors'$",
        ),
    ):
        index.write_text(wrong)
        with pytest.raises(ModelError, match=rf"model\.safetensors\.index\.json{message}"):
            build_encoder(tmp_path)


def test_a_tensorflow_file_with_and_without_heads(tmp_path, capfd):
    from transformers import BertConfig, TFBertForTokenClassification

    source = build_tf_bert(tiny.checkpoint(), pretrained=True)
    tagger = TFBertForTokenClassification(
        BertConfig.from_dict({**tiny.CONFIG, "vocab_size": len(tiny.vocabulary()), "num_labels": 3})
    )
    tagger(tagger.dummy_inputs)
    tagger.bert.set_weights(source.get_weights())
    for model, folder in ((source, tmp_path / "bare"), (tagger, tmp_path / "heads")):
        tiny.write_checkpoint(folder, None)
        model.save_weights(folder / "tf_model.h5")
        capfd.readouterr()  # what transformers says of its own classes while the file is made
        assert_right(build_encoder(folder))
    assert capfd.readouterr().err == ""
    tiny.write_checkpoint(tmp_path / "bare", None, num_hidden_layers=1)
    with pytest.raises(ModelError, match="have no place in it"):
        build_encoder(tmp_path / "bare")
    (tmp_path / "bare" / "tf_model.h5").write_bytes(b"\x89HDF nothing")
    with pytest.raises(ModelError, match=r"tf_model\.h5: damaged"):
        build_encoder(tmp_path / "bare")
    tiny.write_checkpoint(tmp_path / "heads", None, hidden_size=16)
    with pytest.raises(
        ModelError, match=r"tf_model\.h5: damaged, or of another shape than config\.json says"
    ):
        build_encoder(tmp_path / "heads")


def without(name):
    return {key: value for key, value in prefixed().items() if key != name}


@pytest.mark.parametrize(
    ("named", "config", "message"),
    [
        (
            lambda: without("bert.encoder.layer.1.output.dense.bias"),
            {},
            r"not the weights of this encoder: 1 are missing, for example "
            r"bert\.encoder\.layer\.1\.output\.dense\.bias$",
        ),
        (
            lambda: {
                **prefixed(),
                "bert.encoder.layer.2.output.dense.bias": np.zeros(32, np.float32),
            },
            {},
            r"not the weights of this encoder: 1 have no place in it, for example "
            r"bert\.encoder\.layer\.2\.output\.dense\.bias$",
        ),
        (prefixed, {"num_hidden_layers": 1}, "16 have no place in it"),
        (prefixed, {"num_hidden_layers": 3}, "16 are missing"),
        (prefixed, {"hidden_size": 64}, "weights of another shape than config.json says"),
        (prefixed, {"vocab_size": 100}, "weights of another shape than config.json says"),
        (prefixed, {"intermediate_size": 128}, "weights of another shape than config.json says"),
        (lambda: {"anything": np.zeros(3, np.float32)}, {}, "37 are missing"),
        (
            lambda: None,
            {},
            "expected weights in model.safetensors or tf_model.h5, found none; .*initialize=random",
        ),
        (
            prefixed,
            {"model_type": "gpt2"},
            r"config\.json: expected model_type bert, .* or xlm-roberta, got gpt2$",
        ),
        (
            prefixed,
            {"num_attention_heads": 5},
            r"no BERT can be built from it: hidden_size: expected a multiple of 5 heads, got 32",
        ),
        (prefixed, {"hidden_size": "wide"}, r"config\.json: no BERT can be built from it"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, named, config, message):
    with pytest.raises(ModelError, match=message) as caught:
        build_encoder(tiny.write_checkpoint(tmp_path, named(), **config))
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_damaged_file_is_named(tmp_path):
    tiny.write_checkpoint(tmp_path, prefixed())
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"model\.safetensors: damaged or no safetensors file"):
        build_encoder(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "7"])
def test_a_damaged_configuration_is_named(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(
        ModelError, match=r"config\.json(:1:\d: not valid JSON|: expected a JSON object)"
    ):
        build_encoder(tmp_path)
    with pytest.raises(
        ModelError, match=r"config\.json: cannot be read: No such file or directory"
    ):
        build_encoder(tmp_path / "nowhere")


def test_random_initialisation_reads_no_weights(tmp_path):
    encoder = build_encoder(tiny.write_checkpoint(tmp_path, None), pretrained=False)
    assert hidden(encoder).shape == (3, 7, 32)
    assert not any("pooler" in variable.name for variable in encoder.weights)


def test_padding_changes_no_hidden_state():
    encoder = build_encoder(tiny.checkpoint())
    wider = [
        np.pad(values, [(0, 0), (0, 9)], constant_values=value)
        for values, value in ((IDS, 77), (MASK, 0))
    ]
    real = MASK.astype(bool)
    np.testing.assert_allclose(
        hidden(encoder, *wider)[:, :7][real], hidden(encoder)[real], atol=1e-5
    )


class TestHub:
    """What is asked of the hub, without one."""

    def test_weights_are_downloaded_in_one_format_only(self, tmp_path, monkeypatch):
        asked = []

        def snapshot_download(name, allow_patterns):
            asked.append(allow_patterns)
            if "tf_model.h5" in allow_patterns:
                (tmp_path / "tf_model.h5").touch()
            return str(tmp_path)

        monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
        assert resolve_checkpoint("someone/bert") == tmp_path
        assert ["model.safetensors" in patterns for patterns in asked] == [True, False]
        assert not any("pytorch_model.bin" in patterns for patterns in asked)
        assert all("config.json" in patterns for patterns in asked)

    def test_a_name_that_cannot_be_had_is_told_in_one_line(self, monkeypatch):
        def snapshot_download(name, allow_patterns):
            raise OSError("no route to host\nand much more")

        monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
        with pytest.raises(
            ModelError,
            match=r"someone/bert is no local folder and could not be had from the hub: "
            r"no route to host$",
        ):
            resolve_checkpoint("someone/bert")

    def test_a_local_folder_is_taken_as_it_is(self, tmp_path):
        assert resolve_checkpoint(str(tmp_path)) == tmp_path


@pytest.mark.encoder
def test_a_published_encoder_equals_the_slow_bert(encoder_dir):
    from safetensors.numpy import load_file

    random = np.random.default_rng(1)
    ids, mask = (
        random.integers(1000, 20000, (2, 12)).astype(np.int32),
        (np.arange(12) < np.array([[12], [7]])).astype(np.int32),
    )
    tensors = {
        name.removeprefix("bert."): value
        for name, value in load_file(encoder_dir / "model.safetensors").items()
    }
    wanted = slow_bert(tensors, ids, mask, json.loads((encoder_dir / "config.json").read_text()))
    found = hidden(build_encoder(encoder_dir), ids, mask)
    np.testing.assert_allclose(found[mask > 0], wanted[mask > 0], rtol=1e-3, atol=2e-5)
