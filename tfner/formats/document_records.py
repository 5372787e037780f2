"""Make JSON records of documents, which `records` reads back as the same documents."""

from __future__ import annotations

from typing import Any

from tfner.documents import Document


def document_record(document: Document) -> dict[str, Any]:
    """Make an object of JSON that holds all that training needs of a document.

    >>> document_record(Document.from_words(["Bo", "left"], [(0, 1, "PER")], id="a"))
    {'id': 'a', 'text': 'Bo left', 'tokens': [{'start': 0, 'end': 2}, {'start': 3, 'end': 7}],
     'entities': [{'start': 0, 'end': 2, 'label': 'PER'}]}
    """
    record = document.to_dict()
    for entity in record["entities"]:
        del entity["score"], entity["text"]
    return record
