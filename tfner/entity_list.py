"""Hold what was found in a text: a list that can show itself and become what others work with."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable
from typing import Any

from tfner.documents import Document, Entity
from tfner.exceptions import MissingExtraError
from tfner.html_marks import Colours, text_block
from tfner.safeio.printable import show

COLUMNS = ("start", "end", "label", "score", "text")


class Entities(list[Entity]):
    """List the entities of a text, which it knows; equal to a list of the same entities.

    >>> found = Entities([Entity(0, 2, "PER", 0.98, "Bo")], "Bo left")
    >>> found
    Entities([Entity(start=0, end=2, label='PER', score=0.98, text='Bo')], text='Bo left')
    >>> found == [Entity(0, 2, "PER", 0.98, "Bo")]
    True
    """

    def __init__(self, entities: Iterable[Entity] = (), text: str = ""):
        super().__init__(entities)
        self.text = text

    def __repr__(self) -> str:
        listed = super().__repr__()
        return f"Entities({listed}, text={show(self.text)})"

    def _repr_html_(self) -> str:
        """Show the text in a notebook, with its entities in colour."""
        return text_block(self.text, self, Colours())

    def to_dict(self) -> dict[str, Any]:
        """Make an object of JSON of the text and its entities."""
        return {"text": self.text, "entities": [entity.to_dict() for entity in self]}

    def to_json(self) -> str:
        """Write `to_dict()` as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def to_dataframe(self) -> Any:
        """Make a DataFrame of pandas with a row an entity: start, end, label, score, text.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError:
            raise MissingExtraError("pandas", "pandas", "Entities.to_dataframe") from None
        rows = [entity.to_dict() for entity in self]
        return pandas.DataFrame(rows, columns=list(COLUMNS))

    def to_spacy(self, nlp: Any = None) -> Any:
        """Make a Doc of spaCy's with these entities; see `Document.to_spacy`.

        Raises:
            MissingExtraError: spaCy is not installed.
        """
        return Document(self.text, tuple(self)).to_spacy(nlp)
