"""Tensors of messages are what TensorFlow's own functions make of them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from tfner.serving.messages import tensor_pb2, tensor_shape_pb2, types_pb2
from tfner.serving.tensor_messages import MOST_FILLED, read_tensor, write_tensor
from tfner.serving.tensor_types import NUMPY_TYPES

NUMBERS = [np.dtype(kind) for name, kind in NUMPY_TYPES.items() if name != "string"]
SHAPES = of_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def arrays() -> st.SearchStrategy[np.ndarray]:
    """Draw arrays of all types of numbers, and of bytes."""
    numbers = st.sampled_from(NUMBERS).flatmap(lambda kind: of_numpy.arrays(kind, SHAPES))
    strings = of_numpy.arrays(object, SHAPES, elements=st.binary(max_size=5), fill=st.nothing())
    return st.one_of(numbers, strings)


def message(kind: int, sizes: list[int], **fields) -> tensor_pb2.TensorProto:
    """Make a message of a shape."""
    shape = tensor_shape_pb2.TensorShapeProto(dim=[{"size": size} for size in sizes])
    return tensor_pb2.TensorProto(dtype=kind, tensor_shape=shape, **fields)


@given(arrays())
def test_what_is_written_is_read_by_tensorflow_and_back(array):
    written = write_tensor(array)
    for read in (read_tensor, tf.make_ndarray):
        back = read(written)
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(back, array)


@given(arrays())
def test_what_tensorflow_writes_is_read(array):
    kind = tf.string if array.dtype == object else None
    back = read_tensor(tf.make_tensor_proto(array, kind, shape=array.shape))
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(back, array)


def test_a_single_value_fills_a_shape_within_reason():
    zeros = message(types_pb2.DT_FLOAT, [2, 3], float_val=[0.5])
    assert read_tensor(zeros).tolist() == tf.make_ndarray(zeros).tolist() == [[0.5] * 3] * 2
    bomb = message(types_pb2.DT_FLOAT, [MOST_FILLED + 1], float_val=[0.5])
    with pytest.raises(ValueError, match=r"^expected 1048577 values for the shape .*, got 1$"):
        read_tensor(bomb)


@pytest.mark.parametrize(
    ("damaged", "error"),
    [
        (message(types_pb2.DT_INT32, [2], int_val=[1] * 3), r"2 values for the shape \[2\], got 3"),
        (message(types_pb2.DT_INT32, [2]), r"2 values for the shape \[2\], got 0"),
        (message(types_pb2.DT_INT32, [-1, -1], int_val=[1]), r"for the shape \[\?,\?\], got 1"),
        (message(types_pb2.DT_INT32, [1], tensor_content=b"abc"), "to hold values of type int32"),
        (message(types_pb2.DT_STRING, [1], tensor_content=b"a"), "to hold values of type string"),
        (message(types_pb2.DT_VARIANT, [1]), "a type of int8, .*, string, got variant"),
        (message(types_pb2.DT_INVALID, []), "a type of int8, .*, string, got invalid"),
    ],
)  # fmt: skip
def test_a_damaged_message_is_an_error_that_says_what(damaged, error):
    with pytest.raises(ValueError, match=f"^expected .*{error}$"):
        read_tensor(damaged)
