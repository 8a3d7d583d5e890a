"""Where a channel leads, and what is said of a place that nobody listens at.

See https://github.com/grpc/grpc/blob/master/doc/naming.md for the forms of a target.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from baggage.boundary import Endpoint

_SCHEMES: Final = frozenset({"dns", "ipv4", "ipv6", "passthrough", "xds", "google-c2p"})
_LOCAL: Final = frozenset({"unix", "unix-abstract"})
_DEFAULT_PORT: Final = 443
_LOOPBACK: Final = "127.0.0.1"


def text_of(name: str | bytes) -> str:
    """Return a name as text, as the library may have it in bytes."""
    return name if isinstance(name, str) else _decoded(name)


@lru_cache(maxsize=1024)
def short_of(method: str) -> str:
    """Return the name of a method without its service's."""
    return method.rpartition("/")[2]


@lru_cache(maxsize=1024)
def _decoded(name: bytes) -> str:
    return name.decode("utf-8", "replace")


@lru_cache(maxsize=1024)
def endpoint_of(target: str) -> Endpoint:
    """Return the first place that a target, or a peer's address, names.

    The host of a socket in the file system is its path, after "unix:".
    """
    scheme, colon, rest = unquote(target).partition(":")
    if colon and scheme in _LOCAL:
        return Endpoint(f"{scheme}:{rest.removeprefix('//')}")
    if colon and scheme in _SCHEMES:
        place = rest.rpartition("/")[2] if rest.startswith("//") else rest
    else:
        place = unquote(target)
    return _endpoint(place.split(",")[0])


def _endpoint(place: str) -> Endpoint:
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif place.count(":") == 1:
        host, _, port = place.partition(":")
    else:
        host, port = place, ""
    return Endpoint(host, int(port) if port.isdecimal() else _DEFAULT_PORT)


def refusal(endpoint: Endpoint) -> str:
    """Return the details of a call that no server at this place took."""
    if endpoint.host.partition(":")[0] in _LOCAL:
        reason = (
            f"FAILED_PRECONDITION: {endpoint.host}: connect failed: "
            f"addr: {endpoint.host} error: No such file or directory"
        )
    else:
        host = _LOOPBACK if endpoint.host == "localhost" else endpoint.host
        address = f"ipv6:{quote(f'[{host}]', safe=':')}" if ":" in host else f"ipv4:{host}"
        reason = (
            f"UNKNOWN: {address}:{endpoint.port}: "
            "Failed to connect to remote host: Connection refused"
        )
    return f"failed to connect to all addresses; last error: {reason}"
