"""Describe the protocol buffer in a SentencePiece model file: of its fields those that decide ids.

The package sentencepiece has the whole description, and much else that a training machine does
without. The messages here are known to nobody else, so it may be imported beside them.
"""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FieldProto = descriptor_pb2.FieldDescriptorProto
PACKAGE = "tfner.sentencepiece"
NORMAL, UNKNOWN, CONTROL = 1, 2, 3  # types of pieces
UNIGRAM = 1
ALGORITHMS = {UNIGRAM: "unigram", 2: "BPE", 3: "word", 4: "char"}
# message → its fields: name, number, type, and the default value or what it holds several of.
# Enumerations are read as the numbers that they are. A piece may be no UTF-8, so it is bytes.
MESSAGES = {
    "Piece": [
        ("piece", 1, "BYTES", ""),
        ("score", 2, "FLOAT", ""),
        ("type", 3, "INT32", "1"),
    ],
    "Trainer": [
        ("model_type", 3, "INT32", "1"),
        ("treat_whitespace_as_suffix", 24, "BOOL", "false"),
        ("byte_fallback", 35, "BOOL", "false"),
    ],
    "Normalizer": [
        ("precompiled_charsmap", 2, "BYTES", ""),
        ("add_dummy_prefix", 3, "BOOL", "true"),
        ("remove_extra_whitespaces", 4, "BOOL", "true"),
        ("escape_whitespaces", 5, "BOOL", "true"),
    ],
    "Model": [
        ("pieces", 1, "MESSAGE", "Piece"),
        ("trainer_spec", 2, "MESSAGE", "Trainer"),
        ("normalizer_spec", 3, "MESSAGE", "Normalizer"),
    ],
}


def parse_model(content: bytes) -> Any:
    """Parse a model file.

    >>> model = parse_model(bytes.fromhex("0a030a0161"))
    >>> [(piece.piece, piece.type) for piece in model.pieces], model.trainer_spec.model_type
    ([(b'a', 1)], 1)

    Raises:
        DecodeError: it is none.
    """
    return model_class().FromString(content)


@functools.cache
def model_class() -> Any:
    """Make the class of the message Model."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{PACKAGE}.proto", package=PACKAGE)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            message.field.append(field_descriptor(*field))
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    descriptor = pool.FindMessageTypeByName(f"{PACKAGE}.Model")
    return message_factory.GetMessageClass(descriptor)


def field_descriptor(name: str, number: int, kind: str, value: str) -> FieldProto:
    """Describe one field; `value` is its default, or the name of the message that it holds."""
    field = FieldProto(name=name, number=number, label=FieldProto.LABEL_OPTIONAL)
    field.type = FieldProto.Type.Value(f"TYPE_{kind}")
    if kind == "MESSAGE":
        field.type_name = f".{PACKAGE}.{value}"
    elif value:
        field.default_value = value
    if name == "pieces":
        field.label = FieldProto.LABEL_REPEATED
    return field
