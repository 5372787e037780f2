"""The deployment files: the server can read them, all say the same, and the pages are true."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import tiny
import typer
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
PAGES = (
    "README.md",
    "deploy/README.md",
    "docs/serving.md",
    "docs/keras.md",
    "docs/labelling.md",
    "saved_models/README.md",
)
# Messages that tensorflow-serving-api does not bring, by field: (name, number, type, repeated).
# Sources, in github.com/tensorflow/serving/tensorflow_serving:
# servables/tensorflow/session_bundle_config.proto and config/monitoring_config.proto.
MESSAGES = {
    "BatchingParameters": (
        ("max_batch_size", 1, ".google.protobuf.Int64Value", False),
        ("batch_timeout_micros", 2, ".google.protobuf.Int64Value", False),
        ("max_enqueued_batches", 3, ".google.protobuf.Int64Value", False),
        ("num_batch_threads", 4, ".google.protobuf.Int64Value", False),
        ("thread_pool_name", 5, ".google.protobuf.StringValue", False),
        ("allowed_batch_sizes", 6, "int64", True),
        ("pad_variable_length_inputs", 7, "bool", False),
        ("enable_large_batch_splitting", 8, ".google.protobuf.BoolValue", False),
        ("max_execution_batch_size", 9, ".google.protobuf.Int64Value", False),
    ),
    "PrometheusConfig": (("enable", 1, "bool", False), ("path", 2, "string", False)),
    "MonitoringConfig": (("prometheus_config", 1, ".tfner.test.PrometheusConfig", False),),
}
# The flags of tensorflow_model_server: tensorflow_serving/model_servers/main.cc.
FLAG_NAMES = """
port grpc_socket_path rest_api_port rest_api_num_threads rest_api_timeout_in_ms
rest_api_enable_cors_support enable_batching allow_version_labels_for_unavailable_models
batching_parameters_file enable_per_model_batching_parameters model_config_file
model_config_file_poll_wait_seconds model_name model_base_path num_load_threads num_unload_threads
max_num_load_retries load_retry_interval_micros file_system_poll_wait_seconds
flush_filesystem_caches tensorflow_session_parallelism tensorflow_session_config_file
tensorflow_intra_op_parallelism tensorflow_inter_op_parallelism use_alts_credentials
ssl_config_file platform_config_file per_process_gpu_memory_fraction saved_model_tags
grpc_channel_arguments grpc_max_threads enable_model_warmup num_request_iterations_for_warmup
version monitoring_config_file remove_unused_fields_from_bundle_metagraph prefer_tflite_model
num_tflite_pools num_tflite_interpreters_per_pool enable_signature_method_name_check
xla_cpu_compilation_enabled xla_gpu_compilation_enabled enable_profiler
thread_pool_factory_config_file mixed_precision skip_initialize_tpu enable_grpc_healthcheck_service
enable_serialization_as_tensor_content
"""
FLAGS = frozenset(FLAG_NAMES.split())
FILE_FLAGS = (
    "batching_parameters_file",
    "tensorflow_session_config_file",
    "monitoring_config_file",
)


def message_class(name: str) -> Any:
    """Make the class of one of MESSAGES."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tfner_test.proto", package="tfner.test", syntax="proto3"
    )
    file.dependency.append("google/protobuf/wrappers.proto")
    field = descriptor_pb2.FieldDescriptorProto
    for message, fields in MESSAGES.items():
        kind = file.message_type.add(name=message)
        for field_name, number, of, repeated in fields:
            label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            scalar = {
                "int64": field.TYPE_INT64,
                "bool": field.TYPE_BOOL,
                "string": field.TYPE_STRING,
            }.get(of, field.TYPE_MESSAGE)
            kind.field.add(
                name=field_name,
                number=number,
                type=scalar,
                label=label,
                type_name=of if of.startswith(".") else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tfner.test.{name}"))


def model(text: str | None = None) -> Any:
    """Read the one model of models.config, or of a text like it."""
    config = text_format.Parse(
        (DEPLOY / "models.config").read_text() if text is None else text, ModelServerConfig()
    )
    (found,) = config.model_config_list.config
    return found


def batching() -> Any:
    return text_format.Parse(
        (DEPLOY / "batching.pbtxt").read_text(), message_class("BatchingParameters")()
    )


def monitoring() -> Any:
    return text_format.Parse(
        (DEPLOY / "monitoring.config").read_text(), message_class("MonitoringConfig")()
    )


def session() -> ConfigProto:
    return text_format.Parse((DEPLOY / "session.pbtxt").read_text(), ConfigProto())


def load_yaml(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def compose_services() -> dict[str, Any]:
    return load_yaml("docker-compose.yaml")["services"]


def kubernetes(kind: str) -> dict[str, Any]:
    (found,) = [
        item
        for item in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
        if item["kind"] == kind
    ]
    return found


def container() -> dict[str, Any]:
    (found,) = kubernetes("Deployment")["spec"]["template"]["spec"]["containers"]
    return found


def servers() -> list[tuple[str, dict[str, str]]]:
    """List name and flags of every server that the files start."""
    commands = {
        name: service["command"]
        for name, service in compose_services().items()
        if "serving" in service["image"]
    }
    return [
        (name, flags_of(command))
        for name, command in {**commands, "kubernetes": container()["args"]}.items()
    ]


def flags_of(command: list[str]) -> dict[str, str]:
    assert all(re.fullmatch(r"--\w+=\S+", argument) for argument in command)
    return dict(argument.removeprefix("--").split("=", 1) for argument in command)


def blocks(page: str) -> list[tuple[str, str]]:
    """Find language and content of each code block of a page, in order."""
    return re.findall(r"```(\w+)\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_model_is_served_from_the_mounted_folder_under_its_own_name():
    found = model()
    assert (found.model_platform, PurePosixPath(found.base_path).name) == ("tensorflow", found.name)
    mounted = [volume.split(":")[1] for volume in compose_services()["serving"]["volumes"]]
    assert str(PurePosixPath(found.base_path).parent) in mounted
    assert str(PurePosixPath(found.base_path).parent) in [
        mount["mountPath"] for mount in container()["volumeMounts"]
    ]


def test_every_label_names_a_version_that_is_served():
    found = model()
    assert set(found.version_labels) == {"stable", "canary"}
    assert set(found.version_labels.values()) <= set(found.model_version_policy.specific.versions)


def test_batch_sizes_are_as_the_server_wants_them():
    parameters = batching()
    sizes = list(parameters.allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[0] == 1
    assert sizes[-1] == parameters.max_batch_size.value
    assert all(larger <= 2 * smaller for smaller, larger in pairwise(sizes))
    assert parameters.num_batch_threads.value >= 1
    assert parameters.max_enqueued_batches.value >= 1


def test_a_clients_request_fits_into_a_batch():
    from tfner.serving.client.options import Options

    assert batching().max_batch_size.value >= Options().texts_per_request


def test_the_largest_warm_up_request_fits_into_a_batch():
    from tfner.setting_groups import ExportSettings

    settings = ExportSettings(xla=True)  # of whose programs the largest is asked for
    assert batching().max_batch_size.value >= settings.max_pieces_per_pass // min(settings.widths)


def test_the_server_pads_no_words():
    assert batching().pad_variable_length_inputs is False


def test_a_wrong_field_would_be_noticed():
    with pytest.raises(text_format.ParseError, match="max_batch"):
        text_format.Parse("max_batch { value: 1 }", message_class("BatchingParameters")())


def test_metrics_are_scraped_where_they_are_written():
    path = monitoring().prometheus_config.path
    assert monitoring().prometheus_config.enable
    (job,) = load_yaml("prometheus.yaml")["scrape_configs"]
    (target,) = [target for config in job["static_configs"] for target in config["targets"]]
    host, port = target.split(":")
    assert job["metrics_path"] == path
    annotations = kubernetes("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert (annotations["prometheus.io/path"], annotations["prometheus.io/port"]) == (path, port)
    for name, flags in servers():
        assert flags["rest_api_port"] == port, name
    for service in compose_services().values():
        assert (
            "serving" not in service["image"] or host in service["networks"]["default"]["aliases"]
        )


@pytest.mark.parametrize("name", ["serving", "serving-gpu", "kubernetes"])
def test_a_server_is_started_with_flags_that_exist_and_files_that_are_there(name):
    flags = dict(servers())[name]
    assert set(flags) <= FLAGS
    assert (
        flags["allow_version_labels_for_unavailable_models"] == "true"
    )  # labels are in the file that it starts with
    assert flags["enable_batching"] == "true"
    assert flags["enable_grpc_healthcheck_service"] == "true"
    assert int(flags["model_config_file_poll_wait_seconds"]) > 0
    named = {PurePosixPath(flags[flag]).name for flag in ("model_config_file", *FILE_FLAGS)}
    assert named == {"models.config", "batching.pbtxt", "session.pbtxt", "monitoring.config"}


@pytest.mark.parametrize("name", ["serving", "serving-gpu"])
def test_compose_mounts_what_the_flags_name_and_read_only(name):
    service, flags = compose_services()[name], dict(servers())[name]
    mounts = {}
    for volume in service["volumes"]:
        source, target, mode = volume.split(":")
        assert mode == "ro"
        assert source == "./models" or (DEPLOY / source).is_file()
        mounts[target] = source
    for flag in FILE_FLAGS:
        assert mounts[flags[flag]] == f"./{PurePosixPath(flags[flag]).name}"
    assert mounts[str(PurePosixPath(flags["model_config_file"]).parent)] == "./models"
    assert service["ports"] == [
        f"127.0.0.1:{flags[port]}:{flags[port]}" for port in ("port", "rest_api_port")
    ]


def test_passes_are_not_kept_apart():
    assert session().graph_options.optimizer_options.do_function_inlining


def test_profiles_differ_in_image_and_device_alone():
    services = compose_services()
    cpu, gpu = dict(services["serving"]), dict(services["serving-gpu"])
    assert (cpu.pop("profiles"), gpu.pop("profiles")) == (["cpu"], ["gpu"])
    assert gpu.pop("image") == f"{cpu.pop('image')}-gpu"
    assert gpu.pop("deploy")["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    assert cpu == gpu
    assert services["prometheus"]["profiles"] == ["cpu", "gpu"]


def test_images_are_pinned_and_the_same_everywhere():
    images = [service["image"] for service in compose_services().values()]
    assert all(re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+(-gpu)?", image) for image in images)
    assert container()["image"] == compose_services()["serving"]["image"]
    said = set(
        re.findall(
            r"tensorflow/serving:[\w.-]+\w",
            "".join(path.read_text() for path in DEPLOY.iterdir() if path.is_file()),
        )
    )
    assert said == {image for image in images if "serving" in image}


def test_the_cluster_probes_and_routes_what_the_server_opens():
    flags, found = dict(servers())["kubernetes"], container()
    ports = {port["name"]: port["containerPort"] for port in found["ports"]}
    assert ports == {"grpc": int(flags["port"]), "http": int(flags["rest_api_port"])}
    for probe in ("startupProbe", "readinessProbe"):
        assert found[probe]["httpGet"] == {"path": f"/v1/models/{model().name}", "port": "http"}
    assert found["livenessProbe"]["grpc"]["port"] == ports["grpc"]
    service, deployment = kubernetes("Service")["spec"], kubernetes("Deployment")["spec"]
    assert {port["name"]: (port["port"], port["targetPort"]) for port in service["ports"]} == {
        name: (number, name) for name, number in ports.items()
    }
    assert (
        service["selector"]
        == deployment["selector"]["matchLabels"]
        == deployment["template"]["metadata"]["labels"]
    )


def test_the_cluster_mounts_the_same_files_read_only():
    kustomization, pod = (
        load_yaml("kustomization.yaml"),
        kubernetes("Deployment")["spec"]["template"]["spec"],
    )
    (generated,) = kustomization["configMapGenerator"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert all(
        (DEPLOY / name).is_file() for name in (*generated["files"], *kustomization["resources"])
    )
    assert volumes["config"]["configMap"]["name"] == generated["name"]
    mounts = {mount["name"]: mount for mount in container()["volumeMounts"]}
    assert all(mount["readOnly"] for mount in mounts.values())
    assert volumes["models"]["persistentVolumeClaim"]["readOnly"]
    flags = dict(servers())["kubernetes"]
    named = [PurePosixPath(flags[flag]) for flag in ("model_config_file", *FILE_FLAGS)]
    assert {path.name for path in named} == set(generated["files"])
    assert {str(path.parent) for path in named} == {mounts["config"]["mountPath"]}


STATUS = (
    '{{"model_version_status": [{{"version": "1", "state": "{}", '
    '"status": {{"error_code": "{}", "error_message": ""}}}}]}}'
)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the health check is bash's")
@pytest.mark.parametrize(
    ("code", "body", "healthy"),
    [
        (200, STATUS.format("AVAILABLE", "OK"), True),
        (200, STATUS.format("LOADING", "OK"), False),
        (200, STATUS.format("END", "UNAVAILABLE"), False),
        (404, '{"error": "no such model"}', False),
    ],
)
def test_the_health_check_tells_a_model_that_can_be_asked(code, body, healthy):
    asked = []

    class StandIn(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), StandIn) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        result = check_health(server.server_port)
        thread.join()
    assert (result == 0) is healthy
    assert asked == [f"/v1/models/{model().name}"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="the health check is bash's")
def test_the_health_check_fails_where_nobody_listens():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    assert check_health(port) != 0


def check_health(port: int) -> int:
    kind, *command = compose_services()["serving"]["healthcheck"]["test"]
    rest_port = dict(servers())["serving"]["rest_api_port"]
    assert kind == "CMD"
    assert rest_port in command[-1]
    command[-1] = command[-1].replace(rest_port, str(port))
    return subprocess.run(command, capture_output=True, timeout=20).returncode


def steps() -> Iterator[tuple[int, Any]]:
    """Give every state of models.config in the walk-through.

    Each comes after the number of versions that were published before it.
    """
    published = 0
    for language, content in blocks("deploy/README.md"):
        if language == "sh":
            published += content.count(f"--publish deploy/models/{model().name}")
            if "cp deploy/models.config deploy/models/models.config" in content:
                yield published, model()
        if language == "pbtxt":
            yield published, model(f"model_config_list {{ config {{ {content} }} }}")


def test_each_step_of_the_walk_through_keeps_the_servers_rule():
    """A label that names a version already moves only to one that is loaded.

    Source: UpdateModelVersionLabelMap in server_core.cc.
    """
    loaded: set[int] = set()
    labels: dict[str, int] = {}
    seen = []
    for published, state in steps():
        served = set(state.model_version_policy.specific.versions)
        assert served <= set(range(1, published + 1))
        assert set(state.version_labels.values()) <= served
        assert all(
            version in loaded
            for label, version in state.version_labels.items()
            if labels.get(label, version) != version
        )
        loaded, labels = served, dict(state.version_labels)
        seen.append((sorted(served), labels["stable"], labels["canary"]))
    assert seen == [
        ([1], 1, 1), ([1, 2], 1, 1), ([1, 2], 1, 2), ([1, 2], 2, 2), ([1, 2], 1, 2), ([1, 2], 2, 2),
        ([2], 2, 2),
    ]  # fmt: skip


def commands() -> list[tuple[str, str, str]]:
    """Find page, module and arguments of every command of ours that the pages show."""
    found = []
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
        found += [
            (page, module, rest)
            for module, rest in re.findall(
                r"python -m tfner\.(\w+)((?:\"[^\"\n]*\"|[^`|>&#\n\"])*)", text
            )
        ]
    return found


@pytest.mark.parametrize(("page", "module", "rest"), commands())
def test_commands_on_the_pages_exist_with_their_options(page, module, rest):
    app = typer.Typer(add_completion=False)
    app.command()(getattr(importlib.import_module(f"tfner.{module}"), module))
    known = {
        option
        for parameter in typer.main.get_command(app).params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    used = {word.split("=")[0] for word in shlex.split(rest) if word.startswith("--")}
    assert used <= known, page


def test_the_pages_speak_of_the_model_that_is_served():
    for path in (*DEPLOY.iterdir(), ROOT / "docs" / "serving.md"):
        if path.is_file():
            assert set(re.findall(r"/v1/models/([\w-]+)", path.read_text(encoding="utf-8"))) <= {
                model().name
            }, path


@pytest.mark.parametrize("page", ["deploy/README.md", "docs/serving.md"])
def test_code_on_the_pages_is_well_formed(page):
    for language, content in blocks(page):
        if language == "python":
            ast.parse(content)
        if language == "json":
            json.loads(content)


def test_flags_on_the_page_exist():
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    ours = {option for _, _, rest in commands() for option in re.findall(r"--[\w-]+", rest)} | {
        "--models-config",
        "--publish",
        "--keep",
    }
    tools = {"--profile", "--detach"}
    assert {
        flag.removeprefix("--") for flag in set(re.findall(r"--\w[\w-]+", text)) - ours - tools
    } <= FLAGS


def test_the_encoder_can_be_called_with_fixed_shapes():
    """Rows of length 0 and padding change nothing, so that constant N and T hold any windows."""
    tagger, random = tiny.tagger(), np.random.default_rng(5)
    lengths = np.array([7, 12], np.int32)
    ids = random.integers(5, len(tiny.vocabulary()), (2, 12)).astype(np.int32)
    filled = random.integers(5, len(tiny.vocabulary()), (4, tagger.max_length)).astype(np.int32)
    filled[:2, :12] = ids
    wanted = np.arange(tagger.max_length) < [[7], [12], [0], [0]]
    answer = tagger.encode(filled, np.array([*lengths, 0, 0], np.int32), wanted).numpy()
    assert np.isfinite(answer).all()
    for row, length in enumerate(lengths):
        one = slice(row, row + 1)
        alone = tagger.encode(ids[one, :length], lengths[one], wanted[one, :length]).numpy()
        np.testing.assert_allclose(answer[row, :length], alone[0], atol=1e-4)


def test_the_answers_on_the_page_agree_with_each_other_and_with_the_text():
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    column, row, words = (
        json.loads(content) for language, content in blocks("docs/serving.md") if language == "json"
    )
    (asked,) = [
        json.loads(body)["inputs"]["text"]
        for body in re.findall(r"-d '(\{\"inputs\": \{\"text\".*?)'\n", text)
    ]
    outputs = column["outputs"]
    assert [
        {name: values[index] for name, values in outputs.items()} for index in range(len(asked))
    ] == row["predictions"]
    assert outputs["entity_count"] == [
        len(set(values) - {-1}) for values in outputs["entity_start"]
    ]
    assert outputs["entity_count"][1] == 0 < outputs["entity_count"][0]
    spans = zip(
        *(
            outputs[name][0]
            for name in ("entity_start", "entity_end", "entity_start_byte", "entity_end_byte")
        ),
        strict=True,
    )
    for start, end, start_byte, end_byte in spans:
        assert asked[0].encode()[start_byte:end_byte].decode() == asked[0][start:end]
    assert outputs["entity_start"][0] != outputs["entity_start_byte"][0]
    (sent,) = [
        json.loads(body)["inputs"]["words"]
        for body in re.findall(r"-d '(\{\"signature_name\": \"words\".*?)'\n", text)
    ]
    assert [[tag != "" for tag in tags] for tags in words["outputs"]["tag"]] == [
        [word != "" for word in row] for row in sent
    ]
