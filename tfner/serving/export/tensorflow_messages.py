"""Declare TensorFlow's protocol buffers as far as they are read here, without TensorFlow's Python.

Importing TensorFlow's own declarations imports all of TensorFlow, which takes seconds. Fields that
are not declared are skipped when a message is read.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message_factory import GetMessageClass

FILE = "tfner/tensorflow_messages.proto"
PACKAGE = "tfner.messages"
# message -> field -> (number, type). A type is a scalar or a message, `[]` behind it is repeated,
# `{}` behind it the values of a map from strings. Enumerations are numbers.
MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "SavedModel": {"meta_graphs": (2, "MetaGraphDef[]")},
    "MetaGraphDef": {
        "meta_info_def": (1, "MetaInfoDef"),
        "graph_def": (2, "GraphDef"),
        "saver_def": (3, "SaverDef"),
        "signature_def": (5, "SignatureDef{}"),
        "object_graph_def": (7, "SavedObjectGraph"),
    },
    "MetaInfoDef": {"tags": (4, "string[]")},
    "GraphDef": {"node": (1, "NodeDef[]"), "library": (2, "FunctionDefLibrary")},
    "NodeDef": {
        "name": (1, "string"),
        "op": (2, "string"),
        "input": (3, "string[]"),
        "attr": (5, "AttrValue{}"),
    },
    "AttrValue": {"list": (1, "ListValue"), "func": (10, "NameAttrList")},
    "ListValue": {"func": (9, "NameAttrList[]")},
    "NameAttrList": {"name": (1, "string")},
    "FunctionDefLibrary": {"function": (1, "FunctionDef[]")},
    "FunctionDef": {"signature": (1, "OpDef"), "node_def": (3, "NodeDef[]")},
    "OpDef": {"name": (1, "string")},
    "SaverDef": {
        "filename_tensor_name": (1, "string"),
        "save_tensor_name": (2, "string"),
        "restore_op_name": (3, "string"),
    },
    "SignatureDef": {"inputs": (1, "TensorInfo{}"), "outputs": (2, "TensorInfo{}")},
    "TensorInfo": {"name": (1, "string"), "dtype": (2, "int32")},
    "SavedObjectGraph": {
        "nodes": (1, "SavedObject[]"),
        "concrete_functions": (2, "SavedConcreteFunction{}"),
    },
    "SavedObject": {
        "function": (6, "SavedFunction"),
        "bare_concrete_function": (8, "SavedBareConcreteFunction"),
    },
    "SavedConcreteFunction": {},
    "SavedFunction": {"concrete_functions": (1, "string[]")},
    "SavedBareConcreteFunction": {"concrete_function_name": (1, "string")},
    "BundleHeaderProto": {"num_shards": (1, "int32"), "endianness": (2, "int32")},
    "BundleEntryProto": {"dtype": (1, "int32"), "shape": (2, "TensorShapeProto")},
    "TensorShapeProto": {"dim": (2, "Dim[]")},
    "Dim": {"size": (1, "int64")},
    "ConfigProto": {
        "device_count": (1, "int32{}"),
        "intra_op_parallelism_threads": (2, "int32"),
        "inter_op_parallelism_threads": (5, "int32"),
        "use_per_session_threads": (9, "bool"),
        "graph_options": (10, "GraphOptions"),
    },
    "GraphOptions": {
        "optimizer_options": (3, "OptimizerOptions"),
        "rewrite_options": (10, "RewriterConfig"),
    },
    "OptimizerOptions": {"do_function_inlining": (4, "bool")},
    "RewriterConfig": {"meta_optimizer_iterations": (12, "int32")},
}
FIELD = descriptor_pb2.FieldDescriptorProto
SCALARS: dict[str, Any] = {
    "string": FIELD.TYPE_STRING,
    "int32": FIELD.TYPE_INT32,
    "int64": FIELD.TYPE_INT64,
    "bool": FIELD.TYPE_BOOL,
}


def declare_file() -> descriptor_pb2.FileDescriptorProto:
    """Write MESSAGES as a .proto file declares them."""
    file = descriptor_pb2.FileDescriptorProto(name=FILE, package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, type_name) in fields.items():
            if type_name.endswith("{}"):
                entry = declare_entry(message, field, type_name.removesuffix("{}"))
                declare_field(message, field, number, f"{name}.{entry}[]")
            else:
                declare_field(message, field, number, type_name)
    return file


def declare_entry(message: Any, field: str, type_name: str) -> str:
    """Declare the pairs of a map, and name them as protocol buffers do."""
    name = f"{field.title().replace('_', '')}Entry"
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    declare_field(entry, "key", 1, "string")
    declare_field(entry, "value", 2, type_name)
    return name


def declare_field(message: Any, name: str, number: int, type_name: str) -> None:
    """Declare one field, repeated if its type ends in `[]`."""
    single = type_name.removesuffix("[]")
    label = FIELD.LABEL_OPTIONAL if single == type_name else FIELD.LABEL_REPEATED
    field = message.field.add(name=name, number=number, label=label)
    if single in SCALARS:
        field.type = SCALARS[single]
    else:
        field.type = FIELD.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{single}"


def message_class(name: str) -> Any:
    """Find the class of one of MESSAGES."""
    return GetMessageClass(POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


POOL = descriptor_pool.DescriptorPool()
POOL.AddSerializedFile(declare_file().SerializeToString())
SavedModel = message_class("SavedModel")
BundleHeaderProto = message_class("BundleHeaderProto")
BundleEntryProto = message_class("BundleEntryProto")
ConfigProto = message_class("ConfigProto")
