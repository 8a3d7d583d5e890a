"""The headers by which foreign calls tell their callees who called them.

They come from strangers: what can't be read counts as not sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from metaapps.filibuster.foreign import path as paths
from metaapps.filibuster.foreign.faults import seconds
from metaapps.filibuster.foreign.messages import Clock, read_clock
from metaapps.filibuster.foreign.path import ForeignPath

_GENERATED_ID: Final = "x-filibuster-generated-id"
_CLOCK: Final = "x-filibuster-vclock"
_ORIGIN: Final = "x-filibuster-origin-vclock"
_PATH: Final = "x-filibuster-execution-index"
_REQUEST: Final = "x-filibuster-request-id"
_SLEEP: Final = "x-filibuster-forced-sleep"
_MAX_CLOCK: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignHeaders:
    """Who called: the call's path and number, and the clocks; `sleep` in seconds before serving.

    `clock` is the caller's when it made the call. `origin` is what the callee shall name as the
    origin of its own calls.
    """

    path: ForeignPath
    number: str = "0"
    clock: Clock = field(default_factory=dict)
    origin: Clock = field(default_factory=dict)
    request: str = ""
    sleep: float = 0.0


def read(arrived: Mapping[str, str]) -> ForeignHeaders | None:
    """Return what came with a request, None if it was no foreign one."""
    path = paths.parse(arrived.get(_PATH))
    if path is None or not path.pairs:
        return None
    clock = _clock(arrived.get(_CLOCK))
    return ForeignHeaders(
        path=path,
        number=arrived.get(_GENERATED_ID, "0"),
        clock=clock,
        origin=_clock(arrived.get(_ORIGIN)) or clock,
        request=arrived.get(_REQUEST, ""),
        sleep=seconds(arrived.get(_SLEEP)),
    )


def write(headers: ForeignHeaders) -> Mapping[str, str]:
    """Return the headers to send."""
    written = {
        _GENERATED_ID: headers.number,
        _CLOCK: json.dumps(dict(headers.clock)),
        _ORIGIN: json.dumps(dict(headers.origin)),
        _PATH: str(headers.path),
        _REQUEST: headers.request,
    }
    if headers.sleep:
        # The original for Python reads whole seconds only.
        written[_SLEEP] = f"{headers.sleep:g}"
    return written


def _clock(text: str | None) -> Clock:
    if text is None or len(text) > _MAX_CLOCK:
        return {}
    try:
        told: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return read_clock(told) or {}
