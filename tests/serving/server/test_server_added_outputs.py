"""A SavedModel with outputs that nobody planned for: REST, gRPC and batching carry them."""

from __future__ import annotations

import asyncio

import grpc
import httpx
import numpy as np
import pytest
import server_fakes as fakes
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from tfner.serving.server.app import ServerSettings, open_models
from tfner.serving.server.batching import ServerBatching
from tfner.serving.server.limits import Limits
from tfner.serving.server.servable import load_servable
from tfner.serving.server.service import Service

TEXTS = ["Anna", "Bo", "Anna", "Clara"]  # Anna has two columns, the others have one


class Stranger(tf.Module):
    """Answer texts with none of the outputs that our exports have."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def answer(self, text):
        again = tf.where(text == "Anna", text, "")
        width = 1 + tf.reduce_max(tf.cast(text == "Anna", tf.int32))
        names = tf.stack([text, again], 1)[:, :width]
        fixed = tf.stack([tf.zeros_like(text, tf.float32)] * 3, 1)
        return {"name": names, "rank": tf.where(names == "", -1, 7), "topics": fixed, "own": text}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger")
    module = Stranger()
    tf.saved_model.save(module, str(folder / "1"), {"serving_default": module.answer})
    return folder


@pytest.fixture(scope="module")
def calls():
    """Collect how many texts each call of the model had."""
    return []


@pytest.fixture(scope="module")
def addresses(folder, calls):
    batching = ServerBatching(wait_seconds=0.5, wait_share=1e9)

    def load(folder, version):
        servable = load_servable(folder, version)
        run = servable.run

        def counted(signature, inputs):
            calls.append(len(inputs["text"]))
            return run(signature, inputs)

        servable.run = counted
        return servable

    def service():
        models = open_models(ServerSettings(folder, name="stranger"), load)
        return Service(models, Limits(), batching)

    with fakes.running(service) as addresses:
        yield addresses


@pytest.fixture(scope="module")
def alone(folder):
    """Ask each text alone."""
    run = load_servable(folder / "1", 1).run
    return [run("serving_default", {"text": np.array([text.encode()])}) for text in TEXTS]


def test_rest_gives_all_outputs_to_clients_that_ask_together(addresses, alone, calls):
    calls.clear()

    async def ask_all():
        url = f"{addresses[0]}/v1/models/stranger:predict"
        async with httpx.AsyncClient() as client:
            posts = (client.post(url, json={"inputs": [text]}) for text in TEXTS * 3)
            return [answer.json()["outputs"] for answer in await asyncio.gather(*posts)]

    for answer, expected in zip(asyncio.run(ask_all()), alone * 3, strict=True):
        assert answer.keys() == expected.keys() == {"name", "rank", "topics", "own"}
        assert answer["rank"] == expected["rank"].tolist()
        assert answer["topics"] == [[0.0, 0.0, 0.0]]
        assert answer["name"] == [[name.decode() for name in expected["name"][0]]]
    assert max(calls) > 1


def test_grpc_gives_all_outputs_to_clients_that_ask_together(addresses, alone, calls):
    calls.clear()

    def request(text):
        made = predict_pb2.PredictRequest()
        made.model_spec.name = "stranger"
        made.inputs["text"].CopyFrom(tf.make_tensor_proto([text]))
        return made

    async def ask_all():
        async with grpc.aio.insecure_channel(addresses[1]) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            return await asyncio.gather(*(stub.Predict(request(text)) for text in TEXTS * 3))

    for response, expected in zip(asyncio.run(ask_all()), alone * 3, strict=True):
        assert set(response.outputs) == set(expected)
        for name, value in expected.items():
            np.testing.assert_array_equal(tf.make_ndarray(response.outputs[name]), value)
    assert max(calls) > 1
