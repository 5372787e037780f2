"""The REST paths: what is answered, with which status, and in which words a request is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import server_fakes as fakes

from tfner.serving.server.batching import ServerBatching
from tfner.serving.server.limits import Limits

MODEL = f"/v1/models/{fakes.NAME}"
PREDICT = f"{MODEL}:predict"


@pytest.fixture
def model():
    return fakes.FakeModel()


def client_of(model, **options):
    return fakes.Client(fakes.service(model, **options))


@pytest.fixture
def client(model):
    with client_of(model, folders={3: Path("3"), 5: Path("5")}, labels={"canary": 3}) as client:
        yield client


def test_rows_are_a_list_of_objects(client):
    answer = client.post(PREDICT, json={"instances": ["Anna met Bo", "nobody"]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    first, second = answer.json()["predictions"]
    assert first == {
        "entity_count": 2, "entity_end": [4, 11], "entity_end_byte": [4, 11],
        "entity_label": ["PER", "PER"], "entity_score": [0.9, 0.9],
        "entity_start": [0, 9], "entity_start_byte": [0, 9],
    }  # fmt: skip
    assert second["entity_count"] == 0
    assert second["entity_label"] == ["", ""]
    assert second["entity_start"] == [-1, -1]


def test_columns_are_an_object_of_lists(client):
    answer = client.post(PREDICT, json={"inputs": {"text": ["é Anna"]}}).json()["outputs"]
    assert (answer["entity_start"], answer["entity_start_byte"], answer["entity_count"]) == (
        [[2]],
        [[3]],
        [1],
    )


@pytest.mark.parametrize(
    "body",
    [
        {"instances": ["Anna"]},
        {"instances": [{"text": "Anna"}]},
        {"instances": [{"b64": base64.b64encode(b"Anna").decode()}]},
        {"instances": [{"text": {"b64": "QW5uYQ"}}]},
        {"signature_name": "serving_default", "instances": ["Anna"]},
        {"signature_name": "", "instances": ["Anna"]},
    ],
)
def test_a_row_can_be_written_in_several_ways(client, body):
    assert [row["entity_end"] for row in client.post(PREDICT, json=body).json()["predictions"]] == [
        [4]
    ]


@pytest.mark.parametrize("inputs", [["Anna"], {"text": ["Anna"]}, {"text": [{"b64": "QW5uYQ=="}]}])
def test_columns_can_be_written_in_several_ways(client, inputs):
    assert client.post(PREDICT, json={"inputs": inputs}).json()["outputs"]["entity_end"] == [[4]]


def test_a_single_output_stands_without_its_name(client):
    inputs = {"input_ids": [[2, 4]], "length": [2]}
    by_column = client.post(PREDICT, json={"signature_name": "features", "inputs": inputs}).json()
    assert by_column == {"outputs": [[[1.0, 0.5], [2.0, 1.0]]]}
    by_row = client.post(
        PREDICT,
        json={"signature_name": "features", "instances": [{"input_ids": [2, 4], "length": 2}]},
    ).json()
    assert by_row == {"predictions": [[[1.0, 0.5], [2.0, 1.0]]]}


def test_outputs_that_end_in_bytes_are_base64(client):
    assert client.post(PREDICT, json={"signature_name": "echo", "instances": ["é"]}).json() == {
        "predictions": [{"b64": "w6k="}]
    }


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("scalar", "Tensor name: mean has no shape information "),
        ("uneven", "Tensor name: x has inconsistent batch size: 1 expecting: 2"),
    ],
)
def test_rows_need_outputs_of_one_first_dimension(client, signature, message):
    answer = client.post(PREDICT, json={"signature_name": signature, "instances": [1.0]})
    assert (answer.status_code, answer.json()) == (400, {"error": message})
    assert (
        client.post(PREDICT, json={"signature_name": signature, "inputs": [1.0]}).status_code == 200
    )


@pytest.mark.parametrize(
    "path",
    [MODEL, f"{MODEL}/versions/3", f"{MODEL}/labels/canary", MODEL.replace("models", "MODELS")],
)
def test_versions_and_labels_are_paths(client, path):
    assert client.post(f"{path}:predict", json={"instances": ["Anna"]}).status_code == 200


def test_status_lists_versions_newest_first(client):
    fine = {"error_code": "OK", "error_message": ""}
    states = [{"version": version, "state": "AVAILABLE", "status": fine} for version in ("5", "3")]
    assert client.get(MODEL).json() == {"model_version_status": states}
    assert client.get(f"{MODEL}/versions/3").json() == {"model_version_status": states[1:]}
    assert client.get(f"{MODEL}/labels/canary").json() == {"model_version_status": states[1:]}


def test_metadata_names_the_version(client):
    answer = client.get(f"{MODEL}/labels/canary/metadata").json()
    assert answer["model_spec"] == {"name": fakes.NAME, "signature_name": "", "version": "3"}
    assert answer["metadata"] == {"signature_def": {"signature_def": {}}}


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("POST", "/v1/models/other:predict", 404, "Servable not found for request: Latest(other)"),
        ("POST", f"{MODEL}/versions/7:predict", 404,
         "Servable not found for request: Specific(fake, 7)"),
        ("POST", f"{MODEL}/labels/none:predict", 400, "Unrecognized servable version label: none"),
        ("POST", f"{MODEL}/versions/99999999999999999999:predict", 400,
         "Failed to convert version: 99999999999999999999 to numeric."),
        ("POST", MODEL, 400, f"Malformed request: POST {MODEL}"),
        ("POST", f"{MODEL}:explain", 400, f"Malformed request: POST {MODEL}:explain"),
        ("POST", f"{MODEL}/versions/x:predict", 400,
         f"Malformed request: POST {MODEL}/versions/x:predict"),
        ("GET", PREDICT, 400, f"Malformed request: GET {PREDICT}"),
        ("DELETE", MODEL, 400, f"Malformed request: DELETE {MODEL}"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v1/models/other", 404, "Could not find any versions of model other"),
        ("GET", f"{MODEL}/versions/7", 404, "Could not find version 7 of model fake"),
        ("GET", f"{MODEL}/versions/7/metadata", 404,
         "Servable not found for request: Specific(fake, 7)"),
        ("POST", f"{MODEL}:classify", 400,
         "Expected classification signature method_name to be tensorflow/serving/classify. Was: "
         "tensorflow/serving/predict"),
    ],
)  # fmt: skip
def test_paths_that_lead_nowhere(client, method, path, status, message):
    answer = client.request(
        method, path, content=b'{"instances": ["x"]}' if method == "POST" else b""
    )
    assert (answer.status_code, answer.json()) == (status, {"error": message})


DEEP = b"[" * 100_000
BODIES = [
    (b"", "JSON Parse error: The document is empty"),
    (b"{", "JSON Parse error: "),
    (b'{"instances": ["x",]}', "JSON Parse error: "),
    (b'{"instances": ["\xff"]}', "JSON Parse error: Invalid encoding in string. at offset: 16"),
    (b'{"instances": ["\\ud800"]}', "The surrogate pair in string is invalid."),
    (b'{"instances": [' + b"9" * 10_000 + b"]}", "JSON Parse error: "),
    (DEEP, "JSON Parse error: nested too deeply"),
    (b'{"instances": ' + DEEP + b"]" * len(DEEP) + b"}", "JSON Parse error: nested too deeply"),
    (b'{"instances": ' + b"[" * 300 + b"]" * 300 + b"}", "Encountered list at unexpected level"),
    (b'{"a":' * 100_000, "JSON Parse error: nested too deeply"),
    (b"[1]", "JSON Value: [1] Is not object"),
    (b"{}", "Missing 'inputs' or 'instances' key"),
    (b'{"instances": ["x"], "inputs": ["x"]}',
     "expecting only one of 'inputs' or 'instances' keys to exist"),
    (b'{"instances": "x"}', "Excepting 'instances' to be an list/array"),
    (b'{"instances": []}', "No values in 'instances' array"),
    (b'{"signature_name": 100, "instances": ["x"]}',
     "'signature_name' key must be a string value."),
    (b'{"signature_name": "none", "instances": ["x"]}',
     'Serving signature name: "none" not found in signature def'),
    (b'{"instances": ["x", 7]}',
     "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: 7 "
     "Type: Number is not of expected type"),
    (b'{"instances": ["x", null]}', "JSON Value: null Type: Null is not of expected type: string"),
    (b'{"instances": [true]}', "JSON Value: true Type: True is not of expected type: string"),
    (b'{"instances": ["x", ["y"]]}', "Expecting shape [] but got: [1]"),
    (b'{"instances": [["x"]]}', "input text: expected shape [?], got [1,1]"),
    (b'{"inputs": "x"}', "input text: expected shape [?], got []"),
    (b'{"instances": [{"text": "x"}, "y"]}',
     "Expecting object but got list at item 1 of input list"),
    (b'{"instances": ["x", {"text": "y"}]}',
     "Expecting value/list but got object at item 1 of input list"),
    (b'{"instances": [{"txt": "x"}]}',
     "Failed to process element: 0 key: txt of 'instances' list. Error: INVALID_ARGUMENT: JSON "
     "object: does not have named input: txt"),
    (b'{"instances": [{}]}', "JSON object: {} keys must be equal to: text"),
    (b'{"instances": [{"b64": "!"}]}', "Unable to base64 decode"),
    (b'{"inputs": {"text": [{"b65": "eA=="}]}}',
     'JSON Value: {"b65": "eA=="} not formatted correctly for base64 data'),
    (b'{"inputs": {"txt": ["x"]}}', "Missing named input: text in 'inputs' object."),
    (b'{"signature_name": "words", "inputs": [["a", "b"], ["c"]]}',
     "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
    (b'{"signature_name": "words", "inputs": [["a"], "b"]}',
     'JSON Value: "b" found at incorrect level: 2 in the JSON DOM. Expected at level: 2'),
    (b'{"signature_name": "words", "inputs": [["a"], [["b"]]]}',
     "Encountered list at unexpected level: 2 expected < 2"),
    (b'{"signature_name": "features", "instances": [[1, 2]]}',
     "instances is a plain list, but expecting list of objects"),
    (b'{"signature_name": "features", "inputs": [[1, 2]]}',
     "inputs is a plain value/list, but expecting an object"),
    (b'{"signature_name": "features", "instances": [{"input_ids": [1]}]}',
     "keys must be equal to: input_ids,length"),
    (b'{"signature_name": "features", "inputs": {"input_ids": [[1]], "length": [3000000000]}}',
     "JSON Value: 3000000000 Type: Number is not of expected type: int32"),
    (b'{"signature_name": "features", "inputs": {"input_ids": [[1.5]], "length": [1]}}',
     "is not of expected type: int32"),
    (b'{"signature_name": "features", "inputs": {"input_ids": [[{"b64": "AA=="}]], "length": [1]}}',
     "Type: Object is not of expected type"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"), BODIES, ids=[str(index) for index in range(len(BODIES))]
)
def test_a_bad_body_is_refused_in_the_servers_words(client, model, body, message):
    answer = client.post(PREDICT, content=body)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert len(answer.text) < 1000
    assert not model.calls


def test_what_the_model_refuses_is_a_bad_request(client):
    answer = client.post(PREDICT, json={"instances": [fakes.REFUSED.decode()]})
    assert (answer.status_code, answer.json()) == (400, {"error": "such a text is refused"})


def test_a_fault_of_the_server_says_no_more_than_that(client, model, caplog, monkeypatch):
    monkeypatch.setitem(fakes.ANSWERS, "words", lambda inputs: {"tag": 1 / 0})
    answer = client.post(PREDICT, json={"signature_name": "words", "instances": [["a"]]})
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "Internal error: the server's log has more"},
    )
    assert "ZeroDivisionError" in caplog.text


async def in_chunks(chunk, count):
    for _ in range(count):
        yield chunk


def test_a_large_body_is_not_read():
    model = fakes.FakeModel()
    with client_of(model, limits=Limits(body_bytes=100)) as client:
        told = client.post(PREDICT, json={"instances": ["x" * 100]})
        untold = client.post(PREDICT, content=in_chunks(b"x" * 40, 3))
        fits = client.post(PREDICT, content=json.dumps({"instances": ["x"]}).ljust(100))
    assert (told.status_code, untold.status_code, fits.status_code) == (413, 413, 200)
    assert "expected at most 100 bytes" in told.json()["error"]
    assert len(model.calls) == 1


@pytest.mark.parametrize(
    "inputs", [{"instances": ["a", "b", "c"]}, {"inputs": {"text": ["a", "b", "c"]}}]
)
def test_the_number_of_texts_is_limited(model, inputs):
    with client_of(model, limits=Limits(batch_size=2)) as client:
        answer = client.post(PREDICT, json=inputs)
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "batch: expected at most 2 texts in a request, got 3"},
    )


@pytest.mark.parametrize("enabled", [True, False])
def test_a_request_that_takes_too_long_is_given_up(model, enabled):
    with client_of(
        model, limits=Limits(seconds=0.05), batching=ServerBatching(enabled=enabled)
    ) as client:
        model.gate.clear()
        answer = client.post(PREDICT, json={"instances": ["x"]})
        model.gate.set()
        assert (answer.status_code, answer.json()) == (
            504,
            {"error": "Timed out: no answer within 0.05 seconds"},
        )


def test_an_empty_batch_has_an_empty_answer(client):
    assert (
        client.post(PREDICT, json={"inputs": {"text": []}}).json()["outputs"]["entity_label"] == []
    )


def test_other_paths_are_not_found(client):
    assert client.get("/favicon.ico").status_code == 404
    assert client.get("/").headers["content-type"].startswith("text/html")
