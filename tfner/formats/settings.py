"""Hold the settings by which files are read, the same in every command and configuration."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from tfner.formats.registry import names_of, readable
from tfner.safeio.printable import show

NUMBER = re.compile(r"[+-]?\d{1,9}")
MAX_LINE, MAX_FILE = 16 << 20, 256 << 20


def check_format(name: str) -> str:
    """Refuse a name that no registered format has which can be read with its entities."""
    known = ["auto", *names_of(readable())]
    if name not in known:
        *others, last = map(repr, known)
        expected = f"{', '.join(others)} or {last}"
        raise ValueError(f"input should be {expected}, got {show(name)}")
    return name


def check_column(value: Any) -> Any:
    """Read the number of a column, which a command line gives as text; a name stays as it is."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        return int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    is_name = isinstance(value, str) and value.strip()
    if value is None or is_number or is_name:
        return value
    raise ValueError(f"expected the number or the name of a column, got {show(value)}")


def check_types(value: Any) -> Any:
    """Check what types are called; a command line gives texts such as `person=PER` or `time=`."""
    if isinstance(value, list):
        value = dict(map(split_renaming, value))
    if not isinstance(value, dict):
        raise ValueError(f"expected a name for each type to rename, got {show(value)}")
    for old, new in value.items():
        names = [old] if new is None else [old, new]
        if not all(isinstance(name, str) and name.strip() for name in names):
            got = show({old: new})
            raise ValueError(f"expected names of types, or null to leave one out, got {got}")
    return value


def split_renaming(text: Any) -> tuple[str, str | None]:
    """Split what a command line says of a type.

    >>> split_renaming("person=PER"), split_renaming("time=")
    (('person', 'PER'), ('time', None))
    """
    old, equals, new = str(text).rpartition("=")
    if not equals:
        raise ValueError(f"expected TYPE=NAME, or TYPE= to leave it out, got {show(text)}")
    return old, new or None


Column = int | str
Types = Annotated[dict[str, str | None], BeforeValidator(check_types)]
AnyColumn = Annotated[Column | None, BeforeValidator(check_column)]


class Settings(BaseModel):
    """Refuse unknown keys, and changes of values afterwards: the base of all settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ReadSettings(Settings):
    """Say how files are read; what is `auto` or None is found out from each file."""

    format: Annotated[str, AfterValidator(check_format)] = "auto"
    encoding: str = "utf-8"
    scheme: Literal["auto", "IO", "IOB1", "IOB2", "BIOES", "BILOU"] = "auto"
    # By number, from 0 and negative from the end, or by name where a file has a header: of tokens
    # or texts, of tags or entities, and of what numbers the sentences.
    token_column: AnyColumn = None
    tag_column: AnyColumn = None
    sentence_column: AnyColumn = None
    separator: Literal["auto", "tab", "blanks"] = "auto"
    # What types in the files are called from here on; null leaves a type out. Others stay.
    types: Types = {}
    strict: bool = False
    # Characters; a file with a longer line is refused before it fills the memory.
    max_line: int = Field(default=MAX_LINE, ge=1)
    # Bytes of a file that is held in memory whole: JSON arrays, BRAT's texts.
    max_file: int = Field(default=MAX_FILE, ge=1)
