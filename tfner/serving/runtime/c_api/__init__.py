"""Run an export over TensorFlow's C API, in a process without TensorFlow's Python."""
