"""`tracing show`: traces as trees on a terminal."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from baggage.boundary import Kind
from metaapps.tracing.app import FAULT
from metaapps.tracing.cli.refusal import Refused
from metaapps.tracing.errors import TraceFileError
from metaapps.tracing.export.file import read
from metaapps.tracing.span import NOBODY, Peer, Span
from metaapps.tracing.tree import Row, Trace, traces

if TYPE_CHECKING:
    from rich.console import Console

_MILLISECOND: Final = 1_000
_SECOND: Final = 1_000_000


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def show(file: Path) -> None:
    """Print the traces of FILE, each as a tree of who called whom.

    FILE is a Zipkin v2 JSON array, as services write it that run with TRACING_FILE set. Faults that
    were injected, and errors, stand at the end of a line.

    \b
    Example:
      TRACING_FILE=trace.json python shop.py
      tracing show trace.json
    """  # noqa: D301 - click reads a backspace as "leave the next paragraph as it is"
    try:
        found = traces(read(file))
    except (OSError, TraceFileError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise Refused(f"can't show {_plain(str(file))}: {reason}") from error
    console = _console()
    if not found:
        console.print(f"no spans in {_plain(str(file))}")
    for trace in found:
        console.print(_summary(trace), style="bold")
        for row in trace.rows:
            bad = row.span.error is not None or FAULT in row.span.tags
            console.print(_line(row), style="red" if bad else None)


def _console() -> Console:
    from rich.console import Console  # a fifth of a second that --help can do without

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every terminal has a µ
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def _summary(trace: Trace) -> str:
    counts = f"{_count(len(trace.rows), 'span')}, {_count(len(trace.services), 'service')}"
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
        parts.append(f"error: {span.error or '?'}")
    if row.lost:
        parts.append("caller missing")
    return _plain("  ".join(parts))


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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _plain(text: str) -> str:
    """Keep what services were asked for from steering the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)
