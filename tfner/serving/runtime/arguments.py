"""Refuse arguments of a wrong type: a str where a list belongs would be read letter by letter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tfner.documents import Document
from tfner.safeio.printable import show


def text_of(value: Any, name: str = "text") -> str:
    """Give a str back.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a str, got {describe_value(value)}")
    return value


def texts_of(values: Any, name: str = "texts") -> list[str]:
    """Give several texts, or the words of a sentence, as a list.

    Raises:
        TypeError: it is no list or other iterable, or one of them is no str.
    """
    check_iterable(values, name, "a list of str")
    return [text_of(value, f"{name}[{index}]") for index, value in enumerate(values)]


def sentences_of(values: Any, name: str = "sentences") -> list[list[str]]:
    """Give the words of several sentences as lists.

    Raises:
        TypeError: it is no list of lists, or a word is no str.
    """
    check_iterable(values, name, "a list of lists of str")
    return [texts_of(words, f"{name}[{index}]") for index, words in enumerate(values)]


def documents_of(values: Any) -> Iterator[Document]:
    """Check a stream of documents: itself now, each document as it comes.

    Raises:
        TypeError: it is no iterable, or, when it comes, one of them is no Document.
    """
    check_iterable(values, "documents", "an iterable of Document")
    return (document_of(value, index) for index, value in enumerate(values))


def document_of(value: Any, index: int) -> Document:
    """Give the document of a stream back.

    Raises:
        TypeError: it is none, or its text is no str.
    """
    if not isinstance(value, Document):
        came = describe_value(value)
        raise TypeError(f"documents[{index}]: expected a Document, got {came}")
    if not isinstance(value.text, str):
        text_of(value.text, f"documents[{index}].text")
    return value


def check_iterable(value: Any, name: str, expected: str) -> None:
    """Refuse what cannot be iterated over, and what would give letters, numbers or keys.

    Raises:
        TypeError: it is such a value.
    """
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | bytearray | Mapping):
        raise TypeError(f"{name}: expected {expected}, got {describe_value(value)}")


def describe_value(value: Any) -> str:
    """Name the type of a value, and show the value, shortened."""
    if value is None:
        return "None"
    return f"{type(value).__name__}: {show(value, longest=40)}"
