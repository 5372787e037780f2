"""The deployment files: the server can read them, and all say the same."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import PurePosixPath

import pytest
from deployment import (
    DEPLOY,
    FLAGS,
    batching,
    compose_services,
    container,
    kubernetes,
    load_yaml,
    message_class,
    model,
    monitoring,
    servers,
    session,
)
from google.protobuf import text_format

FILE_FLAGS = (
    "batching_parameters_file",
    "tensorflow_session_config_file",
    "monitoring_config_file",
)
STATUS = (
    '{{"model_version_status": [{{"version": "1", "state": "{}", '
    '"status": {{"error_code": "{}", "error_message": ""}}}}]}}'
)


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
