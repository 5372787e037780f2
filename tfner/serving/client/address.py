"""Read where a model is served: `http://host:8501/v1/models/NAME` or `grpc://host:8500/NAME`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tfner.exceptions import ConfigError
from tfner.serving.export.version_numbers import version_number

CHOICE = r"(?:/versions/(?P<version>[0-9]{1,18})|/labels/(?P<label>[^/:]+))?/?"
REST_PATH = re.compile(rf"(?P<prefix>.*?)/v1/models/(?P<name>[^/:]+){CHOICE}")
GRPC_PATH = re.compile(rf"(?P<prefix>)/(?P<name>[^/:]+){CHOICE}")
PATHS = {"http": REST_PATH, "https": REST_PATH, "grpc": GRPC_PATH, "grpcs": GRPC_PATH}
EXPECTED = (
    "expected http[s]://HOST[:PORT]/v1/models/NAME or grpc[s]://HOST:PORT/NAME, "
    "each with /versions/N or /labels/LABEL or neither"
)


@dataclass(frozen=True)
class Address:
    """Point to a model on a server.

    `version` and `label` choose among its versions; without either the server takes the newest.
    """

    scheme: str
    host: str  # with the port, as it stands in the URL
    prefix: str  # of the path, where a proxy adds one
    name: str
    version: int | None = None
    label: str | None = None
    login: tuple[str, str] | None = None  # user and password; kept out of `url`, which is shown

    @property
    def url(self) -> str:
        """Write the address as a user does, for requests and messages."""
        name = quote(self.name, safe="")
        model = name if self.is_grpc else f"v1/models/{name}"
        path = f"{self.prefix}/{model}{self._choice()}"
        return f"{self.scheme}://{self.host}{path}"

    @property
    def is_grpc(self) -> bool:
        return self.scheme.startswith("grpc")

    @property
    def card(self) -> dict[str, Any]:
        """Give what is known of a model that is only reached by its address."""
        known = {"name": self.name, "url": self.url, "version": self.version, "label": self.label}
        return {key: value for key, value in known.items() if value is not None}

    def _choice(self) -> str:
        if self.version is not None:
            return f"/versions/{self.version}"
        if self.label is not None:
            return f"/labels/{quote(self.label, safe='')}"
        return ""


def parse_address(url: str, *, version: int | None = None, label: str | None = None) -> Address:
    """Read a URL; the version or label may stand in it or beside it, not both.

    Raises:
        ConfigError: the URL has another form, or a version is chosen twice, or is no version.
    """
    address = read_url(url)
    where = address.url
    choices = (address.version, address.label, version, label)
    chosen = [repr(choice) for choice in choices if choice is not None]
    if len(chosen) > 1:
        came = " and ".join(chosen)
        raise ConfigError(f"{where}: expected one choice of a version or label, got {came}")
    if version is not None and (type(version) is not int or version < 0):
        raise ConfigError(f"{where}: expected a whole number as version, got {version!r}")
    if label is not None and not re.fullmatch(r"[^/:]+", label):
        raise ConfigError(f"{where}: expected a label without / and :, got {label!r}")
    if version is None and label is None:
        return address
    return replace(address, version=version, label=label)


def read_url(url: str) -> Address:
    """Read a URL without choices beside it.

    Raises:
        ConfigError: it has another form.
    """
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError as error:
        raise ConfigError(f"{EXPECTED}, got one that cannot be read: {error}") from None
    scheme, user = split.scheme, split.username
    path = PATHS[scheme].fullmatch(split.path) if scheme in PATHS else None
    host = split.netloc.rpartition("@")[2]
    grpc_misfit = scheme.startswith("grpc") and (port is None or user is not None)
    if path is None or not split.hostname or split.query or split.fragment or grpc_misfit:
        without_password = split._replace(netloc=host).geturl()
        raise ConfigError(f"{EXPECTED}, got {without_password!r}")
    name = unquote(path["name"])
    version = version_number(path["version"] or "")
    label = unquote(path["label"]) if path["label"] else None
    password = unquote(split.password or "")
    login = None if user is None else (unquote(user), password)
    return Address(scheme, host, path["prefix"], name, version, label, login)
