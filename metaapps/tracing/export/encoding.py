"""The formats in which spans go to a server over HTTP, seen alike: what whoever posts them needs.

How each looks is in a module of its own; posting is in `http`, batching in `reporter`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from metaapps.tracing.export import zipkin, zipkin_proto
from metaapps.tracing.span import Span


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
