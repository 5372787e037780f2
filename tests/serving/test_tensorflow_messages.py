"""The fields that are declared here are TensorFlow's."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor_pool
from tensorflow.core.protobuf import tensor_bundle_pb2  # noqa: F401  # declares it

from tfner.serving.export.tensorflow_messages import MESSAGES, message_class

FRAMEWORK = ("attr_value", "function", "graph", "node_def", "op_def", "tensor_shape")
PROTOBUF = (
    *("config", "meta_graph", "rewriter_config", "saved_model", "saved_object_graph", "saver"),
    "tensor_bundle",
)
FILES = [
    *(f"tensorflow/core/framework/{name}.proto" for name in FRAMEWORK),
    *(f"tensorflow/core/protobuf/{name}.proto" for name in PROTOBUF),
]


def theirs(name):
    """TensorFlow's message of a name; some are nested in another."""
    for file in map(descriptor_pool.Default().FindFileByName, FILES):
        for message in file.message_types_by_name.values():
            for each in (message, *message.nested_types):
                if each.name == name:
                    return each
    raise AssertionError(name)


def described(field):
    """Tell what decides how a field is read: enumerations are read as numbers."""
    type = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
    message = field.message_type.name if field.message_type else None
    return field.number, type, field.is_repeated, message


@pytest.mark.parametrize("name", MESSAGES)
def test_every_field_is_declared_as_tensorflow_declares_it(name):
    ours = message_class(name).DESCRIPTOR.fields_by_name
    fields = theirs(name).fields_by_name
    assert set(ours) == set(MESSAGES[name])
    for field in MESSAGES[name]:
        assert described(ours[field]) == described(fields[field]), field
        if MESSAGES[name][field][1].endswith("{}"):
            pairs = (each[field].message_type.fields for each in (ours, fields))
            mine, other = [list(map(described, each)) for each in pairs]
            assert mine == other
