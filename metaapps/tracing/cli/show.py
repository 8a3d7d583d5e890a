"""`tracing show`: traces as trees on a terminal."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final

import click

from baggage.boundary import Kind
from metaapps.tracing.app import FAULT
from metaapps.tracing.cli import options
from metaapps.tracing.cli.source import plain, spans
from metaapps.tracing.cli.words import count
from metaapps.tracing.span import NOBODY, Peer, Span
from metaapps.tracing.tree import Row, Trace, traces

if TYPE_CHECKING:
    from rich.console import Console

_MILLISECOND: Final = 1_000
_SECOND: Final = 1_000_000


@click.command()
@click.argument("source")
@options.trace
@options.limit
def show(source: str, trace: str | None, limit: int) -> None:
    """Print the traces of SOURCE, each as a tree of who called whom.

    SOURCE is a file that services wrote which ran with TRACING_FILE set: a Zipkin v2 JSON array, or
    JSON lines. Or it is the URL of a Zipkin server, or of `tracing collect`, which is asked for its
    latest traces; or the URL of one trace there. Faults that were injected, and errors, stand at
    the end of a line.

    \b
    Example:
      TRACING_FILE=trace.json python shop.py
      tracing show trace.json
    """  # noqa: D301 - click reads a backspace as "leave the next paragraph as it is"
    chosen = spans(source, limit=limit, trace=trace)
    console = _console()
    if not chosen:
        console.print(f"no spans in {plain(source)}")
    for each in traces(chosen):
        console.print(_summary(each), style="bold")
        for row in each.rows:
            bad = row.span.error is not None or FAULT in row.span.tags
            console.print(_line(row), style="red" if bad else None)


def _console() -> Console:
    from rich.console import Console  # a fifth of a second that --help can do without

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has a µ
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def _summary(trace: Trace) -> str:
    counts = f"{count(len(trace.rows), 'span')}, {count(len(trace.services), 'service')}"
    return f"trace {trace.trace_id}  {counts}, {_time(trace.duration)}"


def _line(row: Row) -> str:
    span = row.span
    parts = [
        f"{'  ' * (row.depth + 1)}{span.local.service or '?'}",
        span.name or "?",
        f"({_role(span)})",
        _time(span.duration) if span.duration else "unfinished",
    ]
    if FAULT in span.tags:
        parts.append(f"fault: {span.tags[FAULT]}")
    if span.error is not None:
        # The message is for who looks at the span alone.
        parts.append(f"error: {span.error.partition(': ')[0] or '?'}")
    if row.lost:
        parts.append("caller missing")
    return plain("  ".join(parts))


def _role(span: Span) -> str:
    kind = "local" if span.kind is None else span.kind.value
    if span.kind is None or not span.kind.departs:
        return kind
    if span.kind is Kind.PRODUCER and span.remote == NOBODY:
        return kind  # to another branch of the same service
    return f"{kind} -> {_name(span.remote)}"


def _name(peer: Peer) -> str:
    address = f"{peer.host}:{peer.port}" if peer.port else peer.host
    return peer.service or address or "?"


def _time(duration: int) -> str:
    if duration < _MILLISECOND:
        return f"{duration} µs"
    if duration < _SECOND:
        return f"{duration / _MILLISECOND:.3g} ms"
    return f"{duration / _SECOND:.2f} s"
