"""gRPC over loopback and REST beside it, over an exported model.

Both give what the SavedModel gives, and the same errors.
"""

from __future__ import annotations

import asyncio
import json
import shutil

import grpc
import numpy as np
import pytest
import server_fakes as fakes
import tensorflow as tf
import tiny
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

from tfner.exceptions import ModelError
from tfner.serving.server.app import ServerSettings, grpc_server, open_models
from tfner.serving.server.batching import ServerBatching
from tfner.serving.server.limits import Limits
from tfner.serving.server.servable import WARM_UP, load_servable
from tfner.serving.server.service import Service

TEXTS = [
    "Anna Svensson met Boris in New Oslo, 東京都.",
    "",
    "e\u0301a 👩🏽‍🚀 Åse; שלום (Paris)",
    "nobody",
    " ".join(tiny.WORDS * 2),
]
SENTENCES = [["Anna", "met", "", "Boris"], ["oslo", "", "", ""]]
PIECES = {
    "input_ids": np.array([[2, 9, 30, 3], [2, 8, 3, 0]], np.int32),
    "length": np.array([4, 3], np.int32),
}


@pytest.fixture(scope="module", params=["tensorflow", "c"])
def loaded(request):
    """Load the exported model once, over each runtime."""
    servable = load_servable(tiny.exported(), 1, request.param)
    yield servable
    servable.close()


@pytest.fixture(scope="module")
def module_loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def service(loaded, module_loop):
    settings = ServerSettings(tiny.exported().parent, name="tiny", labels={"stable": 1})
    models = open_models(settings, lambda folder, version: loaded)
    module_loop.run_until_complete(models.start())
    return Service(models, Limits(body_bytes=1 << 16), ServerBatching())


@pytest.fixture(scope="module")
def call(service, module_loop):
    """`call(stub class, method, request)` over a real port."""

    async def start():
        server, port = grpc_server(
            ServerSettings(tiny.exported(), grpc_port=0, limits=service.limits), service
        )
        await server.start()
        return server, port

    server, port = module_loop.run_until_complete(start())

    def send(stub, method, *requests):
        async def ask():
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                return await asyncio.gather(
                    *(getattr(stub(channel), method)(request) for request in requests)
                )

        answers = module_loop.run_until_complete(ask())
        return answers if len(answers) > 1 else answers[0]

    yield send
    module_loop.run_until_complete(server.stop(None))


@pytest.fixture
def predict(call):
    return lambda *requests: call(
        prediction_service_pb2_grpc.PredictionServiceStub, "Predict", *requests
    )


@pytest.fixture(scope="module")
def signatures():
    """The signatures as TensorFlow itself loads them."""
    from tfner.tokenizers.text_ops import load_text_ops

    load_text_ops()
    model = tf.saved_model.load(str(tiny.exported()))
    return lambda name, inputs: {
        key: value.numpy() for key, value in model.signatures[name](**as_tensors(inputs)).items()
    }


def as_tensors(inputs):
    return {name: tf.constant(value) for name, value in inputs.items()}


def request(signature="", inputs=None, name="tiny", **spec):
    made = predict_pb2.PredictRequest()
    made.model_spec.name = name
    made.model_spec.signature_name = signature
    if "version" in spec:
        made.model_spec.version.value = spec["version"]
    if "label" in spec:
        made.model_spec.version_label = spec["label"]
    for key, value in ({"text": TEXTS} if inputs is None else inputs).items():
        made.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return made


@pytest.mark.parametrize(
    ("signature", "inputs"),
    [("serving_default", {"text": TEXTS}), ("words", {"words": SENTENCES}), ("features", PIECES)],
)
def test_predict_gives_what_the_saved_model_gives(predict, signatures, signature, inputs):
    response = predict(request(signature, inputs))
    expected = signatures(signature, inputs)
    assert set(response.outputs) == set(expected)
    for name, value in expected.items():
        assert not response.outputs[
            name
        ].tensor_content  # the server fills the typed fields, and clients read them
        np.testing.assert_allclose(
            *map(plain, (tf.make_ndarray(response.outputs[name]), value)), atol=1e-6, strict=True
        )
    assert (response.model_spec.name, response.model_spec.version.value) == ("tiny", 1)
    assert response.model_spec.signature_name == signature


def plain(array):
    """Strings as numbers, to compare everything in one way."""
    return (
        np.vectorize(lambda text: int.from_bytes(text, "big") % 2**52, otypes=[float])(array)
        if array.dtype == object
        else array
    )


def test_requests_sent_at_once_get_what_they_get_alone(predict, signatures):
    assert signatures("serving_default", {"text": TEXTS})["entity_count"].max() > 3
    groups = [TEXTS[:2], TEXTS[2:3], TEXTS[4:], TEXTS[3:4], TEXTS[1:4]] * 3
    for group, response in zip(
        groups, predict(*(request(inputs={"text": group}) for group in groups)), strict=True
    ):
        for name, value in signatures("serving_default", {"text": group}).items():
            np.testing.assert_allclose(
                *map(plain, (tf.make_ndarray(response.outputs[name]), value)),
                atol=1e-5,
                strict=True,
            )


def test_rest_gives_what_grpc_gives(service, predict, module_loop):
    outputs = predict(request()).outputs
    with fakes.Client(service) as client:
        answer = client.post("/v1/models/tiny:predict", json={"inputs": {"text": TEXTS}}).json()[
            "outputs"
        ]
        metadata = client.get("/v1/models/tiny/metadata").json()["metadata"]["signature_def"][
            "signature_def"
        ]
    assert answer.keys() == outputs.keys()
    for name, value in answer.items():
        expected = tf.make_ndarray(outputs[name])
        if expected.dtype == object:
            assert value == [[text.decode() for text in row] for row in expected]
        else:
            np.testing.assert_array_equal(np.array(value, expected.dtype), expected)
    text = metadata["serving_default"]["inputs"]["text"]
    assert text["dtype"] == "DT_STRING"
    assert text["tensor_shape"] == {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}


@pytest.mark.parametrize("spec", [{}, {"version": 1}, {"label": "stable"}])
def test_a_version_can_be_named(predict, spec):
    assert predict(request(**spec)).model_spec.version.value == 1


def test_an_output_filter_chooses(predict):
    asked = request()
    asked.output_filter.extend(["entity_label", "entity_count"])
    assert set(predict(asked).outputs) == {"entity_label", "entity_count"}


def filtered(*names):
    made = request()
    made.output_filter.extend(names)
    return made


def with_proto(**fields):
    made = request()
    made.inputs["text"].CopyFrom(tensor_pb2.TensorProto(**fields))
    return made


HUGE = tf.TensorShape([1 << 40]).as_proto()
TWO = tf.TensorShape([2]).as_proto()


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (request(name="other"), "NOT_FOUND", "Servable not found for request: Latest(other)"),
        (request(version=7), "NOT_FOUND", "Servable not found for request: Specific(tiny, 7)"),
        (request(label="none"), "INVALID_ARGUMENT", "Unrecognized servable version label: none"),
        (request(name=""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (request("none"), "FAILED_PRECONDITION", 'Serving signature key "none" not found.'),
        (request(inputs={}), "INVALID_ARGUMENT",
         "input size does not match signature: 0!=1 len({}) != len({text}). Sent extra: {}. "
         "Missing but required: {text}."),
        (request(inputs={"txt": ["a"]}), "INVALID_ARGUMENT",
         "input tensor alias not found in signature: txt. "
         "Inputs expected to be in the set {text}."),
        (request(inputs={"text": [1]}), "INVALID_ARGUMENT",
         "input text: expected type string, got int32"),
        (request(inputs={"text": [["a"]]}), "INVALID_ARGUMENT",
         "input text: expected shape [?], got [1,1]"),
        (filtered("none"), "INVALID_ARGUMENT",
         "output tensor alias not found in signature: none Outputs expected to be in the set "
         "{entity_count,"),
        (filtered("entity_count", "entity_count"), "INVALID_ARGUMENT",
         "duplicate output tensor alias: entity_count"),
        (with_proto(dtype=types_pb2.DT_STRING, tensor_shape=HUGE, string_val=[b"a"]),
         "INVALID_ARGUMENT", "values for the shape"),
        (with_proto(dtype=types_pb2.DT_STRING, tensor_shape=TWO), "INVALID_ARGUMENT",
         "expected 2 values for the shape [2], got 0"),
        (with_proto(dtype=types_pb2.DT_STRING, tensor_shape=TWO, tensor_content=b"ab"),
         "INVALID_ARGUMENT", "tensor_content"),
        (with_proto(dtype=99, tensor_shape=TWO), "INVALID_ARGUMENT",
         "input text: expected type string, got 99"),
        (request(inputs={"text": ["a"] * 1025}), "INVALID_ARGUMENT",
         "batch: expected at most 1024 texts in a request, got 1025"),
        (request(inputs={"text": ["a" * (1 << 17)]}), "RESOURCE_EXHAUSTED", ""),
        (request("features", {"input_ids": [[10**6]], "length": [1]}), "INVALID_ARGUMENT",
         "1000000"),
        (request("__saved_model_init_op", {}), "FAILED_PRECONDITION",
         'Serving signature key "__saved_model_init_op" not found.'),
    ],
)  # fmt: skip
def test_errors_have_the_servers_codes_and_words(predict, asked, code, message):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        predict(asked)
    assert (caught.value.code().name, message in caught.value.details()) == (code, True), (
        caught.value.details()
    )


def test_a_tensor_may_be_written_short(predict, signatures):
    """One value for a shape of two stands for both, as in TensorFlow."""
    short = predict(
        with_proto(dtype=types_pb2.DT_STRING, tensor_shape=TWO, string_val=[TEXTS[0].encode()])
    )
    expected = signatures("serving_default", {"text": [TEXTS[0]] * 2})
    assert (
        tf.make_ndarray(short.outputs["entity_start"]).tolist() == expected["entity_start"].tolist()
    )


def test_status_and_metadata(call, loaded):
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "tiny"
    (version,) = call(
        model_service_pb2_grpc.ModelServiceStub, "GetModelStatus", status
    ).model_version_status
    assert (version.version, version.state, version.status.error_code) == (
        1,
        get_model_status_pb2.ModelVersionStatus.AVAILABLE,
        0,
    )

    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "tiny"
    answer = call(prediction_service_pb2_grpc.PredictionServiceStub, "GetModelMetadata", asked)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "words", "features"} <= set(signatures.signature_def)
    assert signatures.signature_def["words"] == loaded.definitions["words"]


def test_what_is_not_offered_is_refused(call):
    classify = classification_pb2.ClassificationRequest()
    classify.model_spec.name = "tiny"
    prediction, models = (
        prediction_service_pb2_grpc.PredictionServiceStub,
        model_service_pb2_grpc.ModelServiceStub,
    )
    for stub, method, asked, code in (
        (prediction, "Classify", classify, "INVALID_ARGUMENT"),
        (
            prediction,
            "GetModelMetadata",
            get_model_metadata_pb2.GetModelMetadataRequest(),
            "INVALID_ARGUMENT",
        ),
        (
            models,
            "GetModelStatus",
            get_model_status_pb2.GetModelStatusRequest(),
            "INVALID_ARGUMENT",
        ),
        (
            models,
            "HandleReloadConfigRequest",
            model_management_pb2.ReloadConfigRequest(),
            "UNIMPLEMENTED",
        ),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            call(stub, method, asked)
        assert caught.value.code().name == code


def write_warm_up(folder, *requests):
    (folder / WARM_UP).parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / WARM_UP)) as writer:
        for each in requests:
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=each)
            )
            writer.write(log.SerializeToString())


def partial_export(folder):
    """The export without its extra assets."""
    for name in ("saved_model.pb", "variables", "assets"):
        source = tiny.exported() / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, folder / name)
    return folder


def test_recorded_requests_are_run_before_a_version_answers(tmp_path):
    folder = partial_export(tmp_path)
    write_warm_up(folder, request("words", {"words": SENTENCES}), request("none"))
    with pytest.raises(
        ModelError, match=f'{folder}: cannot be loaded: Serving signature key "none" not found.'
    ):
        load_servable(folder, 1)


def test_a_damaged_export_is_named(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=f"{tmp_path}: cannot be read as a SavedModel"):
        load_servable(tmp_path, 1)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ModelError, match="expected a graph with the tag 'serve', found none"):
        load_servable(tmp_path, 1)


def test_metadata_is_plain_json(loaded):
    from tfner.serving.server.servable import definitions_to_json

    assert (
        json.loads(json.dumps(definitions_to_json(loaded.definitions)))["words"]["method_name"]
        == "tensorflow/serving/predict"
    )
