"""TF_CONFIG, the environment variable that tells a process which worker of which cluster it is."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from tfner.exceptions import ConfigError

VARIABLE = "TF_CONFIG"
EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'
ADDRESS = re.compile(r"[^\s:/]+:\d+|\[[0-9A-Fa-f:]+\]:\d+")  # host:port, or [IPv6]:port
TRAINS = ("chief", "worker")  # the kinds of task that train, in the order in which they are counted


class Cluster(NamedTuple):
    """The addresses of all workers, the chief's first, and which of them this process is."""

    addresses: tuple[str, ...]
    worker: int


def read_cluster(text: str) -> Cluster:
    """The cluster that a value of TF_CONFIG describes.

    Raises:
        ConfigError: it is not JSON, lacks something, or names a kind of task that does not train.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ConfigError(
            f"{VARIABLE}: expected JSON such as {EXAMPLE}, got {text[:200]!r} ({error})"
        ) from None
    cluster, task = (member_of(values, name, dict, VARIABLE) for name in ("cluster", "task"))
    other = sorted(set(cluster) - set(TRAINS))
    if other:
        raise ConfigError(
            f"{VARIABLE}: cluster: expected the members {' and '.join(TRAINS)}, got {', '.join(map(repr, other))}"
        )
    addresses = {kind: check_addresses(kind, cluster[kind]) for kind in TRAINS if kind in cluster}
    everyone = sum(addresses.values(), ())
    if not everyone or len(set(everyone)) < len(everyone):
        raise ConfigError(
            f"{VARIABLE}: cluster: expected the address of each worker once, got {list(everyone)}"
        )
    kind, index = (
        member_of(task, "type", str, f"{VARIABLE}: task"),
        member_of(task, "index", int, f"{VARIABLE}: task"),
    )
    if not 0 <= index < len(addresses.get(kind, ())):
        known = ", ".join(f"{name} 0 to {len(own) - 1}" for name, own in addresses.items())
        raise ConfigError(
            f"{VARIABLE}: task: expected one of the cluster ({known}), got {kind} {index}"
        )
    return Cluster(everyone, index + (len(addresses.get("chief", ())) if kind == "worker" else 0))


def several_workers(text: str) -> bool:
    """Whether a value of TF_CONFIG describes more than one; platforms set it for single machines too, and to `{}`.

    Raises:
        ConfigError: it describes a cluster, but not a right one.
    """
    return text.replace(" ", "") not in ("", "{}") and len(read_cluster(text).addresses) > 1


def member_of(values: Any, name: str, type_: type, where: str) -> Any:
    found = values.get(name) if isinstance(values, dict) else None
    if not isinstance(found, type_) or isinstance(found, bool):
        raise ConfigError(f"{where}: expected {name!r} as in {EXAMPLE}, got {found!r}")
    return found


def check_addresses(kind: str, found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(
        isinstance(address, str) and ADDRESS.fullmatch(address) for address in found
    ):
        raise ConfigError(
            f"{VARIABLE}: cluster: {kind}: expected a list of HOST:PORT, got {found!r}"
        )
    if kind == "chief" and len(found) != 1:
        raise ConfigError(f"{VARIABLE}: cluster: chief: expected one address, got {len(found)}")
    return tuple(found)
