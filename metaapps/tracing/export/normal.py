"""What every format makes of a span before it writes it: addresses, names, and text of valid UTF-8.

The normal form is Zipkin's. How each format writes it is in its own module.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Final, NamedTuple

from metaapps.tracing.span import Annotation, Peer, Span

MAX_PORT: Final = 65535
MAX_LONG: Final = (1 << 63) - 1
"""Servers refuse a whole message for one time that is later than this."""

_IPV4_BYTES: Final = 4
_MAPPED: Final = bytes(10) + b"\xff\xff"


class Endpoint(NamedTuple):
    """Who is where, but for the port: `ip` has 4, 16 or no bytes; all may be missing."""

    service: str
    ip: bytes

    @property
    def ipv4(self) -> str:
        """The address as Zipkin writes it, empty if it is none of IPv4."""
        return inet_ntop(AF_INET, self.ip) if len(self.ip) == _IPV4_BYTES else ""

    @property
    def ipv6(self) -> str:
        """The address as Zipkin writes it, empty if it is none of IPv6."""
        return _ipv6(self.ip) if len(self.ip) > _IPV4_BYTES else ""


def endpoint(service: str, host: str) -> Endpoint:
    """Return a service's name in lower case, and the bytes of its address.

    An address of IPv4 within one of IPv6 is one of IPv4. A host that is no address stands in for a
    missing name.
    """
    ip = _address(host)
    return Endpoint((service or ("" if ip else host)).lower(), ip)


def ordered(notes: Sequence[Annotation]) -> Sequence[Annotation]:
    """Return annotations in order, each once, without those of impossible times."""
    if len(notes) > 1:
        notes = sorted(set(notes))
    if notes and (notes[0].timestamp < -MAX_LONG or notes[-1].timestamp > MAX_LONG):
        notes = [note for note in notes if abs(note.timestamp) <= MAX_LONG]
    return notes


def plain(span: Span) -> Span:
    """Return a span all of whose text has a UTF-8 form; its `labels()` are its `tags`.

    Two halves of a character that stand together become one, a lone half becomes "?", which is
    what Zipkin makes of it. Tags and annotations are in the order of Java's strings, UTF-16.
    """
    tags = {plain_text(name): plain_text(value) for name, value in span.labels().items()}
    notes = {Annotation(at, plain_text(value)) for at, value in ordered(span.annotations)}
    return span._replace(
        name=plain_text(span.name),
        local=_plain_peer(span.local),
        remote=_plain_peer(span.remote),
        tags={name: tags[name] for name in sorted(tags, key=_utf16)},
        annotations=tuple(sorted(notes, key=lambda note: (note.timestamp, _utf16(note.value)))),
        error=None,
        causes=None,
    )


def plain_text(text: str) -> str:
    """Return text that has a UTF-8 form; see `plain`."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return whole.encode("utf-8", "replace").decode()


@lru_cache(maxsize=1024)
def _address(host: str) -> bytes:
    try:
        return inet_pton(AF_INET, host)
    except (OSError, ValueError):
        pass
    host = host.partition("%")[0]
    try:
        ip = inet_pton(AF_INET6, host)
    except (OSError, ValueError):
        return b""
    # "::1.2.3.4" is an old way to write an address of IPv4; without dots nobody can tell.
    within = ip.startswith(_MAPPED) or ("." in host and not any(ip[:-_IPV4_BYTES]))
    return ip[-_IPV4_BYTES:] if within else ip


def _ipv6(ip: bytes) -> str:
    """Write an address as Zipkin's `Endpoint` does, which is not quite RFC 5952.

    A lone zero is shortened too, and zeros at the end only if there are no others.
    """
    groups = [f"{group:x}" for group in struct.unpack("!8H", ip)]
    start = longest = at = 0
    for zero, run in groupby(groups, "0".__eq__):
        size = len(list(run))
        if zero and size > longest and (at + size < len(groups) or not longest):
            start, longest = at, size
        at += size
    if not longest:
        return ":".join(groups)
    return ":".join(groups[:start]) + "::" + ":".join(groups[start + longest :])


def _plain_peer(peer: Peer) -> Peer:
    return Peer(plain_text(peer.service), plain_text(peer.host), peer.port)


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be")
