"""What can be asked for: names, and traces that have something in common.

Questions are those of Zipkin's API, as far as its page asks them; parameters are texts, as they
come in an address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from metaapps.tracing.collector.store import Trace
from metaapps.tracing.collector.zipkin_span import Refused, ZipkinSpan

_DAY: Final = 86_400_000
_LIMIT: Final = "10"
_MILLISECOND: Final = 1_000

Asked = Mapping[str, str]
Test = Callable[[ZipkinSpan], bool]


def select(traces: Iterable[Trace], asked: Asked, now: int) -> list[Trace]:
    """Return the newest traces that fit; `now` in ms since 1970. Raises Refused."""
    limit = number(asked, "limit", _LIMIT)
    if limit <= 0:
        raise Refused("limit <= 0")
    tests = _tests(asked)
    recent = within(traces, asked, now)
    found = [trace for trace in recent if _fits(trace, asked.get("serviceName", ""), tests)]
    return sorted(found, key=_newest, reverse=True)[:limit]


def within(traces: Iterable[Trace], asked: Asked, now: int) -> list[Trace]:
    """Return the traces with a span that began in the time before `endTs`. Raises Refused."""
    end = number(asked, "endTs", str(now))
    begin = end - number(asked, "lookback", str(_DAY))
    return [
        trace
        for trace in traces
        if any(begin <= span.timestamp // _MILLISECOND <= end for span in trace)
    ]


def number(asked: Asked, name: str, default: str | None = None) -> int:
    """Return a parameter that is a whole number. Raises Refused."""
    text = asked.get(name) or default
    if text is None:
        raise Refused(f"the parameter {name} is missing")
    try:
        return int(text)
    except ValueError:
        raise Refused(f"{name} is {text!r}, no whole number") from None


def services(traces: Iterable[Trace]) -> list[str]:
    """Return the names of all that sent spans."""
    return _sorted(span.local.service for trace in traces for span in trace)


def names(traces: Iterable[Trace], service: str) -> list[str]:
    """Return the names of a service's spans."""
    return _sorted(span.name for span in _of(traces, service))


def remotes(traces: Iterable[Trace], service: str) -> list[str]:
    """Return the names of those that a service talks with."""
    return _sorted(span.remote.service for span in _of(traces, service))


def _of(traces: Iterable[Trace], service: str) -> list[ZipkinSpan]:
    name = service.lower()
    return [span for trace in traces for span in trace if span.local.service == name]


def _sorted(texts: Iterable[str]) -> list[str]:
    return sorted({text for text in texts if text})


def _newest(trace: Trace) -> int:
    return max(span.timestamp for span in trace)


def _fits(trace: Trace, service: str, tests: Sequence[Test]) -> bool:
    """Say whether each test holds for a span, of that service if one is named."""
    spans = _of([trace], service) if service else trace
    return bool(spans) and all(any(map(test, spans)) for test in tests)


def _tests(asked: Asked) -> list[Test]:
    tests: list[Test] = []
    if name := asked.get("spanName", "").lower():
        tests.append(lambda span: span.name == name)
    if remote := asked.get("remoteServiceName", "").lower():
        tests.append(lambda span: span.remote.service == remote)
    if asked.get("minDuration"):
        least = number(asked, "minDuration")
        most = number(asked, "maxDuration", str(1 << 63))
        tests.append(lambda span: least <= span.duration <= most)
    tests += [_tagged(term) for term in asked.get("annotationQuery", "").split(" and ")]
    return tests


def _tagged(term: str) -> Test:
    """Look for an annotation or a tag, or with "=" for a tag's value."""
    name, equals, value = term.strip().partition("=")
    if not name:
        return lambda _: True
    if equals:
        return lambda span: (name, value) in span.tags
    return lambda span: name in dict(span.tags) or name in {note for _, note in span.annotations}
