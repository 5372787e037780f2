"""The JSON codec: lists to tensors as NumPy reads them, tensors as the real server prints them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tfner.serving.server.json_answer import encode_answer
from tfner.serving.server.json_tensors import stack_of, tensor_of
from tfner.serving.server.request_error import RequestError

SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
LEAVES = st.one_of(st.integers(-5, 5), st.sampled_from(["a", None, True, 1.5]))
RAGGED = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=12)


def tensors_of(dtype):
    """Draw (dtype, tensor); NaN is not equal to itself."""
    numpy_type = np.float32 if dtype == "float" else dtype
    elements = {"allow_nan": False} if dtype == "float" else None
    return st.tuples(st.just(dtype), arrays.arrays(numpy_type, SHAPES, elements=elements))


@given(st.sampled_from(["int32", "int64", "float", "bool", "uint8"]).flatmap(tensors_of))
def test_nested_lists_become_the_tensor_they_were(typed):
    dtype, tensor = typed
    read = tensor_of(json.loads(json.dumps(tensor.tolist())), dtype)
    assert read.dtype == tensor.dtype
    expected = (
        tensor if tensor.size else np.empty(np.shape(tensor.tolist()), tensor.dtype)
    )  # [[], []] has no third dimension
    np.testing.assert_array_equal(read, expected)


@given(RAGGED)
@example([[1], 2])
@example([[[]], []])
def test_only_rectangular_lists_of_the_type_are_tensors(value):
    if rectangular(value) is not None and all(type(leaf) is int for leaf in leaves(value)):
        read = tensor_of(value, "int32")
        assert (read.shape, read.ravel().tolist()) == (rectangular(value), leaves(value))
    else:
        with pytest.raises(RequestError):
            tensor_of(value, "int32")


def rectangular(value):
    """The shape of nested lists, None if ragged: the obvious recursion."""
    if not isinstance(value, list):
        return ()
    inner = {rectangular(item) for item in value}
    if None in inner or len(inner) > 1:
        return None
    return (len(value), *(inner.pop() if inner else ()))


def leaves(value):
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


@given(st.lists(RAGGED, min_size=1, max_size=4))
def test_rows_are_stacked_where_all_have_one_shape(rows):
    shapes = [rectangular(row) for row in rows]
    fine = (
        None not in shapes
        and len(set(shapes)) == 1
        and all(type(leaf) is int for leaf in leaves(rows))
    )
    if fine:
        assert stack_of(rows, "int32").tolist() == rows
    else:
        with pytest.raises(
            RequestError, match=r"^Failed to process element: \d+ of 'instances' list"
        ):
            stack_of(rows, "int32")


@given(st.lists(st.one_of(st.text(), st.binary()), max_size=5))
def test_texts_are_read_and_written_unchanged(texts):
    sendable = [text for text in texts if isinstance(text, bytes) or text.isprintable()]
    strings = tensor_of([text for text in sendable if isinstance(text, str)], "string")
    assert [value.decode() for value in strings] == [
        text for text in sendable if isinstance(text, str)
    ]
    answer = {"a": strings, "b": np.zeros(len(strings), np.int32)}
    assert json.loads(encode_answer(answer, by_row=False))["outputs"]["a"] == [
        value.decode() for value in strings
    ]


@settings(max_examples=500)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_floats_have_no_more_digits_than_the_real_server_prints(value):
    """It prints %.6g where that gives the number back, else %.9g."""
    value = np.float32(value)
    (written,) = json.loads(encode_answer({"x": np.array([value])}, by_row=True))["predictions"]
    assert np.float32(written) == value
    if np.float32(f"{value:.6g}") == value:
        assert written == float(f"{value:.6g}")
    assert written == float(f"{written:.9g}")


@given(arrays.arrays(np.float32, arrays.array_shapes(max_dims=3)))
def test_floats_come_back_as_they_were(values):
    read = np.array(json.loads(encode_answer({"x": values}, by_row=False))["outputs"], np.float32)
    np.testing.assert_array_equal(read, values)


def test_zero_and_the_infinite_are_written_as_the_server_writes_them():
    values = np.array([0, 1, np.nan, np.inf, -np.inf, 0.2], np.float32)
    assert (
        encode_answer({"x": values}, by_row=True)
        == b'{"predictions":[0.0,1.0,NaN,Infinity,-Infinity,0.2]}'
    )


def test_bytes_that_are_no_text_are_replaced_in_a_text_output():
    assert (
        encode_answer({"x": np.array([b"a\xff"], object)}, by_row=True).decode()
        == '{"predictions":["a�"]}'
    )


def test_rows_hold_slices_of_every_output():
    answer = {"a": np.arange(4, dtype=np.int32).reshape(2, 2), "b": np.array([b"x", b"y"], object)}
    assert json.loads(encode_answer(answer, by_row=True)) == {
        "predictions": [{"a": [0, 1], "b": "x"}, {"a": [2, 3], "b": "y"}]
    }
