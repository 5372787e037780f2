"""Compile an encoder by XLA: one program for each of a few shapes, to which inputs are padded."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from tfner.model.inference.encoder_batches import Encode

Shape = tuple[int, int]  # rows, width


def compile_for_shapes(encode: Encode, shapes: Sequence[Shape]) -> Encode:
    """Compile one program a shape; an input runs through the first whose shape holds it.

    The shapes should go from small to large: with (1, 16), (8, 16), (1, 32) an input of 3 rows and
    width 12 is padded to (8, 16).
    """
    programs = [compile_for_shape(encode, shape) for shape in shapes]
    sizes = tf.constant(shapes, tf.int32)

    def run(ids_NT: tf.Tensor, lengths_N: tf.Tensor, wanted_NT: tf.Tensor) -> tf.Tensor:
        size = tf.shape(ids_NT)
        is_enough = sizes >= size  # of rows and of width
        holds = tf.reduce_all(is_enough, axis=1)
        first = tf.argmax(tf.cast(holds, tf.int32), output_type=tf.int32)
        message = "no compiled shape holds this input"
        any_holds = tf.reduce_any(holds)
        checked = tf.debugging.assert_equal(any_holds, True, message)
        given = (ids_NT, lengths_N, wanted_NT)
        branches = [lambda program=program: program(*given) for program in programs]
        with tf.control_dependencies([checked]):
            return tf.switch_case(first, branches)

    return run


def compile_for_shape(encode: Encode, shape: Shape) -> Encode:
    """Compile a program of one shape, and pad what is smaller to it."""
    rows, width = shape
    lengths = tf.TensorSpec([rows], tf.int32)
    signature = [tf.TensorSpec(shape, tf.int32), lengths, tf.TensorSpec(shape, tf.bool)]
    program = tf.function(encode, signature, jit_compile=True, autograph=False)

    def run(ids_NT: tf.Tensor, lengths_N: tf.Tensor, wanted_NT: tf.Tensor) -> tf.Tensor:
        size = tf.shape(ids_NT)
        given_rows, given_width = tf.unstack(size)
        missing_rows = rows - given_rows
        missing_width = width - given_width
        missing = [[0, missing_rows], [0, missing_width]]
        ids = tf.ensure_shape(tf.pad(ids_NT, missing), shape)
        lengths = tf.pad(lengths_N, missing[:1])
        lengths = tf.ensure_shape(lengths, [rows])
        wanted = tf.ensure_shape(tf.pad(wanted_NT, missing), shape)
        return program(ids, lengths, wanted)[:given_rows, :given_width]

    return run
