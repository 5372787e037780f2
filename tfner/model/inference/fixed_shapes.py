"""An encoder compiled by XLA: one program for each of a few fixed shapes, inputs padded to the next of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from tfner.model.inference.encoder_batches import Encode


def compile_for_shapes(encode: Encode, shapes: Sequence[tuple[int, int]]) -> Encode:
    """The same function for inputs that fit one of `shapes` (rows, width); a compiler sees no other.

    Of the shapes that hold the input the first is taken, so the list should go from small to large.
    """
    programs = [fixed_shape(encode, rows, width) for rows, width in shapes]
    sizes = tf.constant(shapes, tf.int32)

    def run(ids_NT: tf.Tensor, lengths_N: tf.Tensor) -> tf.Tensor:
        rows, width = tf.unstack(tf.shape(ids_NT))
        fits = (sizes[:, 0] >= rows) & (sizes[:, 1] >= width)
        branches = [padded(program, shape) for program, shape in zip(programs, shapes, strict=True)]
        chosen = tf.argmax(tf.cast(fits, tf.int32), output_type=tf.int32)
        with tf.control_dependencies(
            [
                tf.debugging.assert_equal(
                    tf.reduce_any(fits), True, "no compiled shape holds this input"
                )
            ]
        ):
            return tf.switch_case(
                chosen, [lambda branch=branch: branch(ids_NT, lengths_N) for branch in branches]
            )

    return run


def fixed_shape(encode: Encode, rows: int, width: int) -> Callable[..., tf.Tensor]:
    signature = [tf.TensorSpec([rows, width], tf.int32), tf.TensorSpec([rows], tf.int32)]
    return tf.function(encode, input_signature=signature, jit_compile=True, autograph=False)


def padded(program: Callable[..., tf.Tensor], shape: tuple[int, int]) -> Encode:
    """A program of fixed shape for inputs that are no larger."""

    def run(ids_NT: tf.Tensor, lengths_N: tf.Tensor) -> tf.Tensor:
        rows, width = tf.unstack(tf.shape(ids_NT))
        ids = tf.ensure_shape(tf.pad(ids_NT, [[0, shape[0] - rows], [0, shape[1] - width]]), shape)
        lengths = tf.ensure_shape(tf.pad(lengths_N, [[0, shape[0] - rows]]), shape[:1])
        return program(ids, lengths)[:rows, :width]

    return run
