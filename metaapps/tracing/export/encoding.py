"""The formats in which spans go to a server over HTTP, seen alike: what whoever posts them needs.

How each looks is in a module of its own; posting is in `http`, batching in `reporter`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from metaapps.tracing.export import otlp_json, otlp_proto, zipkin, zipkin_proto
from metaapps.tracing.export.normal import plain_text
from metaapps.tracing.span import NO_TAGS, Span


@dataclass(frozen=True, slots=True)
class Encoding:
    """A way to write spans: each by itself, as soon as it ends, then many as one message.

    `path` is where servers take it, below their address. All is safe to call in any thread.
    """

    content_type: str
    path: str
    span: Callable[[Span], bytes]
    """Return a span as `message` takes it."""
    message: Callable[[Sequence[bytes]], bytes]
    """Return the body of one request: what `span` returned for each of at least one span."""
    frame: int
    """How many bytes a message has besides its spans."""
    seam: int
    """How many bytes a message has besides each span; 0 or more."""

    def size(self, total: int, count: int) -> int:
        """Return how long a message of `count` spans of `total` bytes is at most."""
        return self.frame + total + self.seam * count


ZIPKIN_JSON: Final = Encoding(
    "application/json", "/api/v2/spans", zipkin.encode, zipkin.encode_list, frame=2, seam=1
)

# Each span has a key and its length, of up to 4 bytes below 256 MiB.
ZIPKIN_PROTO3: Final = Encoding(
    "application/x-protobuf",
    "/api/v2/spans",
    zipkin_proto.encode,
    zipkin_proto.encode_list,
    frame=0,
    seam=5,
)


def otlp_as_json(resource: Mapping[str, str] = NO_TAGS) -> Encoding:
    """Return OTLP's JSON. `resource` are attributes of the process that reports."""
    return Encoding(
        "application/json",
        "/v1/traces",
        partial(otlp_json.encode, resource=_attributes(resource)),
        otlp_json.encode_list,
        frame=otlp_json.FRAME,
        seam=otlp_json.SEAM,
    )


def otlp_as_proto(resource: Mapping[str, str] = NO_TAGS) -> Encoding:
    """Return OTLP's protobuf. `resource` are attributes of the process that reports."""
    return Encoding(
        "application/x-protobuf",
        "/v1/traces",
        partial(otlp_proto.encode, resource=_attributes(resource)),
        otlp_proto.encode_list,
        frame=0,
        seam=otlp_proto.SEAM,
    )


def _attributes(resource: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((plain_text(name), plain_text(value)) for name, value in resource.items())


OTLP_JSON: Final = otlp_as_json()
OTLP_PROTO: Final = otlp_as_proto()
