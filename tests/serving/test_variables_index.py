"""The index of variables is read as TensorFlow reads it, and damage is damage."""

from __future__ import annotations

import contextlib

import pytest
import tensorflow as tf
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from tfner.serving.export import variables_index
from tfner.serving.export.graph_guard import VARIABLES
from tfner.serving.export.variables_index import DamagedIndexError, read_table, read_variables

DTYPES = [tf.float32, tf.float64, tf.int8, tf.int32, tf.int64, tf.bool, tf.bfloat16, tf.half]


def as_tensorflow_reads(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    dtypes, shapes = reader.get_variable_to_dtype_map(), reader.get_variable_to_shape_map()
    return {name: (dtypes[name].as_datatype_enum, tuple(shapes[name])) for name in shapes}


def test_an_export_has_the_variables_that_tensorflow_finds():
    prefix = tiny.exported() / VARIABLES
    assert read_variables(prefix.with_suffix(".index")) == as_tensorflow_reads(prefix)


def test_any_number_of_variables_of_any_type_and_their_sizes(tmp_path):
    variables = {
        f"{'long' * (number % 7)}{number}": tf.Variable(
            tf.zeros([number % 5, 3], DTYPES[number % 8])
        )
        for number in range(300)
    }
    tf.train.Checkpoint(**variables).write(str(tmp_path / "all"))
    found = read_variables(tmp_path / "all.index")
    assert found == as_tensorflow_reads(tmp_path / "all")
    assert len(list(read_table((tmp_path / "all.index").read_bytes()))) == len(found) + 1
    for name, variable in variables.items():
        (entry,) = [found[key] for key in found if key.startswith(f"{name}/.ATTRIBUTES")]
        assert entry.size == variable.dtype.size * tf.size(variable).numpy()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damage_is_found_or_harmless_and_nothing_else(data, tmp_path_factory):
    content = bytearray((tiny.exported() / VARIABLES).with_suffix(".index").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "index"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(DamagedIndexError):
        assert all(variable.size >= 0 for variable in read_variables(path).values())


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"", "no footer of a table"), (b"x" * 48, "no footer of a table"),
     (b"\xff" * 40 + variables_index.MAGIC, "a number is cut off"),
     (b"\0\0\x60\x05" + bytes(36) + variables_index.MAGIC, "a block is cut off or compressed")],
)  # fmt: skip
def test_what_is_no_index_is_refused(tmp_path, content, fault):
    (tmp_path / "index").write_bytes(content)
    with pytest.raises(DamagedIndexError, match=f"^{fault}$"):
        read_variables(tmp_path / "index")
