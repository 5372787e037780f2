"""HTML put together so that text from data cannot become markup."""

from __future__ import annotations

from html import escape

from tfner.safeio.printable import printable


class Markup(str):
    """HTML that is finished; every other string is text and gets escaped."""


Child = Markup | str | int | None


def element(name: str, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """One element; `class_` gives the attribute `class`, attributes that are None or False are left out, True stands bare.

    >>> element("p", "1 < 2", class_="sum")
    '<p class="sum">1 &lt; 2</p>'
    """
    opening = "".join(
        f" {key.rstrip('_')}" + ("" if value is True else f'="{text(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{name}{opening}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Children one after the other; None is nothing."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else text(str(child))
            for child in children
            if child is not None
        )
    )


def text(value: str) -> Markup:
    """Text as HTML, safe between tags and in a quoted attribute."""
    return Markup(escape(printable(value)))
