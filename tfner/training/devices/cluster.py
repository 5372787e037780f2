"""Read TF_CONFIG, the environment variable that tells a process which worker of a cluster it is."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from tfner.exceptions import ConfigError

VARIABLE = "TF_CONFIG"
WORKERS = '{"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}'
EXAMPLE = f'{{"cluster": {WORKERS}, "task": {{"type": "worker", "index": 0}}}}'
ADDRESS = re.compile(r"[^\s:/]+:\d+|\[[0-9A-Fa-f:]+\]:\d+")  # host:port, or [IPv6]:port
TRAINS = ("chief", "worker")  # the kinds of task that train, in the order of their numbers


class Cluster(NamedTuple):
    """Hold the addresses of all workers, the chief's first, and which of them this process is."""

    addresses: tuple[str, ...]
    worker: int


def read_cluster(text: str) -> Cluster:
    """Read the cluster that a value of TF_CONFIG describes.

    Raises:
        ConfigError: it is not JSON, lacks something, or names a kind of task that does not train.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        got = f"got {text[:200]!r} ({error})"
        raise ConfigError(f"{VARIABLE}: expected JSON such as {EXAMPLE}, {got}") from None
    cluster, task = (member_of(values, name, dict, VARIABLE) for name in ("cluster", "task"))
    addresses = read_addresses(cluster)
    kind = member_of(task, "type", str, f"{VARIABLE}: task")
    index = member_of(task, "index", int, f"{VARIABLE}: task")
    if not 0 <= index < len(addresses.get(kind, ())):
        known = ", ".join(f"{name} 0 to {len(own) - 1}" for name, own in addresses.items())
        expected = f"expected one of the cluster ({known})"
        raise ConfigError(f"{VARIABLE}: task: {expected}, got {kind} {index}")
    before = len(addresses.get("chief", ())) if kind == "worker" else 0
    return Cluster(sum(addresses.values(), ()), before + index)


def read_addresses(cluster: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Read the addresses of each kind of task, in the order of TRAINS."""
    where = f"{VARIABLE}: cluster"
    other = sorted(set(cluster) - set(TRAINS))
    if other:
        got = ", ".join(map(repr, other))
        raise ConfigError(f"{where}: expected the members {' and '.join(TRAINS)}, got {got}")
    addresses = {kind: check_addresses(kind, cluster[kind]) for kind in TRAINS if kind in cluster}
    everyone = sum(addresses.values(), ())
    if not everyone or len(set(everyone)) < len(everyone):
        expected = "expected the address of each worker once"
        raise ConfigError(f"{where}: {expected}, got {list(everyone)}")
    return addresses


def several_workers(text: str) -> bool:
    """Tell whether a value of TF_CONFIG describes more than one worker.

    Platforms set it for single machines too, and to `{}`.

    Raises:
        ConfigError: it describes a cluster, but not a right one.
    """
    empty = text.replace(" ", "") in ("", "{}")
    return not empty and len(read_cluster(text).addresses) > 1


def member_of(values: Any, name: str, type_: type, where: str) -> Any:
    found = values.get(name) if isinstance(values, dict) else None
    if not isinstance(found, type_) or isinstance(found, bool):
        raise ConfigError(f"{where}: expected {name!r} as in {EXAMPLE}, got {found!r}")
    return found


def check_addresses(kind: str, found: Any) -> tuple[str, ...]:
    where = f"{VARIABLE}: cluster: {kind}"
    texts = isinstance(found, list) and all(isinstance(each, str) for each in found)
    if not texts or not all(ADDRESS.fullmatch(each) for each in found):
        raise ConfigError(f"{where}: expected a list of HOST:PORT, got {found!r}")
    if kind == "chief" and len(found) != 1:
        raise ConfigError(f"{where}: expected one address, got {len(found)}")
    return tuple(found)
