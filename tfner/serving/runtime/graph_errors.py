"""Say why a graph did not answer, whatever ran it."""

from __future__ import annotations

from tfner.exceptions import ModelError


def cannot_answer(message: str) -> ModelError:
    """Make the error for a question that a graph could not answer."""
    return ModelError(f"the model cannot answer: {node_message(message)}")


def node_message(message: str) -> str:
    """Cut an error of a graph to what a node of it said.

    Where the graph was defined stands before it, which node it was behind it.
    """
    before_node = message.partition("\n\t [[{{")[0]
    return before_node.rpartition("<stack traces unavailable>\n")[2].strip()
