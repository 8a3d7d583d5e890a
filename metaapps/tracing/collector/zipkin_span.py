"""A span as Zipkin keeps it: normal, and told from any other by its value.

What a sender may write instead is what `Draft` makes normal. Reading bytes is in `json_v2` and
`proto3`; our own spans, which say less about whom they come from, are in `metaapps.tracing.span`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from socket import AF_INET6, inet_pton
from typing import Final, NamedTuple

from metaapps.tracing.errors import SpanError
from metaapps.tracing.export.normal import Endpoint as Where

KINDS: Final = ("CLIENT", "SERVER", "PRODUCER", "CONSUMER")
MAX_PORT: Final = 65_535
LONG_ID: Final = 32
SHORT_ID: Final = 16
_LONGEST: Final = 1000

_HEX: Final = re.compile(r"[0-9a-f]+")
_WORD: Final = r"(?:[01][0-9][0-9]|2[0-4][0-9]|25[0-5]|[0-9][0-9]?)"
_IPV4: Final = re.compile(rf"(?:::(?:[fF0]{{4}}:)?)?({_WORD}(?:\.{_WORD}){{3}})")
_IPV6: Final = re.compile(r"[0-9a-fA-F]*:[0-9a-fA-F:]*")
_IPV4_BYTES: Final = 4
_IPV6_BYTES: Final = 16
_EMBEDDED: Final = bytes(12)
_LOOPBACK: Final = bytes(15) + b"\1"


class Refused(SpanError):
    """One line, of bounded length: why a message was refused, all of it."""

    def __init__(self, reason: str) -> None:
        """Say why; what the reason quotes of the message can neither break nor fill the line."""
        short = reason if len(reason) <= _LONGEST else f"{reason[: _LONGEST - 1]}…"
        super().__init__("".join([each if each.isprintable() else "�" for each in short]))


class Endpoint(NamedTuple):
    """Who is where; what is empty is not known."""

    service: str = ""
    ipv4: str = ""
    ipv6: str = ""
    port: int = 0


class ZipkinSpan(NamedTuple):
    """One span; what is empty, 0 or False is absent. Times are µs; tags and annotations sorted."""

    trace_id: str
    id: str
    parent_id: str = ""
    kind: str = ""
    name: str = ""
    timestamp: int = 0
    duration: int = 0
    local: Endpoint = Endpoint()
    remote: Endpoint = Endpoint()
    annotations: tuple[tuple[int, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    debug: bool = False
    shared: bool = False

    @property
    def failed(self) -> bool:
        """Whether it has a tag "error", of whatever value."""
        return any(name == "error" for name, _ in self.tags)


NOWHERE: Final = Endpoint()


@dataclass(slots=True)
class Draft:
    """What was read of a span so far. The last of several values counts, but tags add up."""

    trace_id: str = ""
    id: str = ""
    parent_id: str = ""
    kind: str = ""
    name: str = ""
    timestamp: int = 0
    duration: int = 0
    local: Endpoint = NOWHERE
    remote: Endpoint = NOWHERE
    annotations: list[tuple[int, str]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    debug: bool = False
    shared: bool = False

    def build(self) -> ZipkinSpan:
        """Return the span in normal form. Raises Refused if it has no ids."""
        missing = [name for name in ("traceId", "id") if not getattr(self, _FIELDS[name])]
        if missing:
            raise Refused(f"missing: {' and '.join(missing)}")
        return ZipkinSpan(
            self.trace_id,
            self.id,
            "" if self.parent_id == self.id else self.parent_id,
            self.kind,
            self.name.lower(),
            max(self.timestamp, 0),
            max(self.duration, 0),
            self.local,
            self.remote,
            ordered_annotations(self.annotations),
            ordered_tags(self.tags),
            self.debug,
            self.shared and self.kind != "CLIENT",
        )


_FIELDS: Final = {"traceId": "trace_id", "id": "id"}


def trace_id(text: str) -> str:
    """Return 16 or 32 digits; zeros before them are added, and 16 zeros left away.

    Raises Refused.
    """
    zeros = _hex(text, "traceId", LONG_ID)
    if zeros == len(text):
        raise Refused("traceId is all zeros")
    if len(text) == LONG_ID and zeros >= SHORT_ID:
        return text[SHORT_ID:]
    return text.zfill(SHORT_ID if len(text) <= SHORT_ID else LONG_ID)


def span_id(text: str) -> str:
    """Return 16 digits. Raises Refused; for zeros only if there are 16, as the real server does."""
    if _hex(text, "id", SHORT_ID) == SHORT_ID:
        raise Refused("id is all zeros")
    return text.zfill(SHORT_ID)


def parent_id(text: str) -> str:
    """Return 16 digits, none for zeros. Raises Refused."""
    zeros = _hex(text, "parentId", SHORT_ID)
    return "" if zeros == len(text) else text.zfill(SHORT_ID)


def _hex(text: str, name: str, most: int) -> int:
    """Return how many zeros an id begins with."""
    if not text:
        raise Refused(f"{name} is empty")
    if len(text) > most:
        raise Refused(f"{name} has {len(text)} digits, more than {most}")
    if not _HEX.fullmatch(text):
        raise Refused(f"{name} is {text!r}, not lower-case hex digits")
    return len(text) - len(text.lstrip("0"))


def port(number: int) -> int:
    """Return a port, 0 for none. Raises Refused."""
    if number > MAX_PORT:
        raise Refused(f"port {number} is more than {MAX_PORT}")
    return max(number, 0)


def ip_of_text(where: Endpoint, text: str) -> Endpoint:
    """Set the address that a text is; other text changes nothing."""
    if found := _IPV4.fullmatch(text):
        return where._replace(ipv4=found[1])
    if not _IPV6.fullmatch(text):
        return where
    # Any number of zeros may lead.
    groups = [(group.lstrip("0") or "0") if group else "" for group in text.split(":")]
    try:
        raw = inet_pton(AF_INET6, ":".join(groups))
    except OSError:
        return where
    return where._replace(ipv6=Where("", raw).ipv6)


def ip_of_bytes(where: Endpoint, raw: bytes) -> Endpoint:
    """Set the address that 4 or 16 bytes are; others change nothing."""
    if len(raw) == _IPV6_BYTES and raw.startswith(_EMBEDDED) and raw != _LOOPBACK:
        raw = raw[-_IPV4_BYTES:]
    if len(raw) == _IPV4_BYTES:
        return where._replace(ipv4=Where("", raw).ipv4)
    if len(raw) == _IPV6_BYTES:
        return where._replace(ipv6=Where("", raw).ipv6)
    return where


def ordered_annotations(notes: Iterable[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    """Return annotations in the server's order, each once."""
    return tuple(sorted(set(notes), key=lambda note: (note[0], _java(note[1]))))


def ordered_tags(tags: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return tags in the server's order."""
    return tuple(sorted(tags.items(), key=lambda tag: _java(tag[0])))


def _java(text: str) -> bytes:
    """Return what sorts as Java's strings do."""
    return text.encode("utf-16-be", "surrogatepass")
