"""Where a model is served: the parts of `http://host:8501/v1/models/NAME` and of `grpc://host:8500/NAME`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

from tfner.exceptions import ConfigError
from tfner.serving.export.version_numbers import version_number

CHOICE = r"(?:/versions/(?P<version>[0-9]{1,18})|/labels/(?P<label>[^/:]+))?/?"
REST_PATH = re.compile(rf"(?P<prefix>.*?)/v1/models/(?P<name>[^/:]+){CHOICE}")
GRPC_PATH = re.compile(rf"(?P<prefix>)/(?P<name>[^/:]+){CHOICE}")
PATHS = {"http": REST_PATH, "https": REST_PATH, "grpc": GRPC_PATH, "grpcs": GRPC_PATH}
EXPECTED = "expected http[s]://HOST[:PORT]/v1/models/NAME or grpc[s]://HOST:PORT/NAME, each with /versions/N or /labels/LABEL or neither"


@dataclass(frozen=True)
class Address:
    """A model on a server; `version` and `label` choose among its versions, and without either the server takes the newest."""

    scheme: str
    host: str  # with the port, as it stands in the URL
    prefix: str  # of the path, where a proxy adds one
    name: str
    version: int | None = None
    label: str | None = None
    login: tuple[str, str] | None = None  # user and password; kept out of `url`, which is shown

    @property
    def url(self) -> str:
        """The address as a user writes it, for requests and messages."""
        model = quote(self.name, safe="")
        return f"{self.scheme}://{self.host}{self.prefix}/{model if self.is_grpc else f'v1/models/{model}'}{self._choice()}"

    @property
    def is_grpc(self) -> bool:
        return self.scheme.startswith("grpc")

    @property
    def card(self) -> dict[str, Any]:
        """What is known of a model that is only reached by its address."""
        facts = {"name": self.name, "url": self.url, "version": self.version, "label": self.label}
        return {key: value for key, value in facts.items() if value is not None}

    def _choice(self) -> str:
        if self.version is not None:
            return f"/versions/{self.version}"
        return f"/labels/{quote(self.label, safe='')}" if self.label is not None else ""


def parse_address(url: str, *, version: int | None = None, label: str | None = None) -> Address:
    """Read a URL; the version or label may stand in it or beside it, not both.

    Raises:
        ConfigError: the URL has another form, or a version is chosen twice, or is no version.
    """
    address = read_url(url)
    chosen = [
        choice for choice in (address.version, address.label, version, label) if choice is not None
    ]
    if len(chosen) > 1:
        raise ConfigError(
            f"{address.url}: expected one choice of a version or label, got {' and '.join(map(repr, chosen))}"
        )
    if version is not None and (type(version) is not int or version < 0):
        raise ConfigError(f"{address.url}: expected a whole number as version, got {version!r}")
    if label is not None and not re.fullmatch(r"[^/:]+", label):
        raise ConfigError(f"{address.url}: expected a label without / and :, got {label!r}")
    return (
        replace(address, version=version, label=label)
        if (version, label) != (None, None)
        else address
    )


def read_url(url: str) -> Address:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{EXPECTED}, got one that cannot be read: {error}") from None
    path = PATHS[parts.scheme].fullmatch(parts.path) if parts.scheme in PATHS else None
    grpc_misfit = parts.scheme.startswith("grpc") and (port is None or parts.username is not None)
    if path is None or not parts.hostname or parts.query or parts.fragment or grpc_misfit:
        raise ConfigError(f"{EXPECTED}, got {shown(parts)!r}")
    return Address(
        parts.scheme,
        host=parts.netloc.rpartition("@")[2],
        prefix=path["prefix"],
        name=unquote(path["name"]),
        version=version_number(path["version"] or ""),
        label=unquote(path["label"]) if path["label"] else None,
        login=(unquote(parts.username), unquote(parts.password or ""))
        if parts.username is not None
        else None,
    )


def shown(parts: SplitResult) -> str:
    """A URL without its password."""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
