"""OTLP's JSON: a span, and the request that carries many.

The mapping of protobuf to JSON with what OTLP changes of it: ids in hex, enumerations as numbers.
What the fields mean is in `otlp`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring as _quoted
from typing import Final

from metaapps.tracing.export import otlp
from metaapps.tracing.export.normal import plain
from metaapps.tracing.span import ERROR, Annotation, Span

# Between a span's resource and the span; neither has a line break in it.
_BETWEEN: Final = b"\n"
_BEGIN: Final = b'{"resourceSpans":['
_RESOURCE: Final = b'{"resource":'
_SCOPE: Final = f',"scopeSpans":[{{"scope":{{"name":{_quoted(otlp.SCOPE)}}},"spans":['.encode()
_END_RESOURCE: Final = b"]}]}"
_END: Final = b"]}"

FRAME: Final = len(_BEGIN + _END)
SEAM: Final = len(_RESOURCE + _SCOPE + _END_RESOURCE + b",")


def encode(span: Span, resource: otlp.Attributes = ()) -> bytes:
    """Return a span with its resource, as `encode_list` takes it.

    `resource` is said of the process, besides the name of the span's service.
    """
    try:
        return _write(span, resource).encode()
    except UnicodeEncodeError:
        return _write(plain(span), resource).encode()


def encode_list(spans: Sequence[bytes]) -> bytes:
    """Return encoded spans as one ExportTraceServiceRequest, those of a resource together."""
    groups: dict[bytes, list[bytes]] = {}
    for encoded in spans:
        resource, _, span = encoded.partition(_BETWEEN)
        groups.setdefault(resource, []).append(span)
    written = [
        _RESOURCE + resource + _SCOPE + b",".join(group) + _END_RESOURCE
        for resource, group in groups.items()
    ]
    return _BEGIN + b",".join(written) + _END


def _write(span: Span, resource: otlp.Attributes) -> str:
    position = span.position
    ids = position.raw.hex()
    own, parent = ids[34:50], ids[50:]
    labels = span.labels()
    error = labels.pop(ERROR, None)
    begin, end = otlp.times(span)
    return "".join(
        (
            _resource(span.local.service, resource),
            f'\n{{"traceId":"{ids[2:34]}","spanId":"{own}"',
            f',"parentSpanId":"{parent}"' if parent and parent != own else "",
            f',"flags":{otlp.flags(position, span.kind)}',
            f',"name":{_quoted(span.name)},"kind":{otlp.KINDS[span.kind]}',
            f',"startTimeUnixNano":"{begin}","endTimeUnixNano":"{end}"' if begin else "",
            _attributes(otlp.attributes(span, labels)),
            _events(span.annotations) if span.annotations else "",
            _links(otlp.links(span, labels)),
            "}" if error is None else f',"status":{_failed(error)}}}',
        )
    )


@lru_cache(maxsize=256)
def _resource(service: str, more: otlp.Attributes) -> str:
    return f"{{{_attributes(otlp.resource(service, more))[1:]}}}"


def _attributes(attributes: Mapping[str, str | int] | Mapping[str, str]) -> str:
    written = [
        f'{{"key":{_quoted(name)},"value":{{"stringValue":{_quoted(value)}}}}}'
        if isinstance(value, str)
        else f'{{"key":{_quoted(name)},"value":{{"intValue":"{value}"}}}}'
        for name, value in attributes.items()
    ]
    return f',"attributes":[{",".join(written)}]' if written else ""


def _events(notes: Iterable[Annotation]) -> str:
    written = [
        f'{{"timeUnixNano":"{otlp.nanoseconds(at)}","name":{_quoted(value)}}}'
        for at, value in notes
    ]
    return f',"events":[{",".join(written)}]'


def _links(links: Iterable[otlp.Link]) -> str:
    written = [
        f'{{"traceId":"{trace}","spanId":"{span}"{_about(causal, beginning)}}}'
        for trace, span, causal, beginning in links
    ]
    return f',"links":[{",".join(written)}]' if written else ""


@lru_cache
def _about(causal: str, beginning: bool) -> str:
    return _attributes(otlp.about(causal, beginning))


def _failed(error: str) -> str:
    message = f'"message":{_quoted(error)},' if error else ""
    return f'{{{message}"code":{otlp.FAILED}}}'
