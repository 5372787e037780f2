"""The files of deploy/ as the server reads them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

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

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
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
