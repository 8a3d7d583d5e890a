"""`tracing collect`: a Zipkin server for development."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from metaapps.tracing.cli.alongside import run
from metaapps.tracing.cli.refusal import Refused
from metaapps.tracing.cli.source import plain
from metaapps.tracing.cli.words import count
from metaapps.tracing.errors import SpanError, TracingError

if TYPE_CHECKING:
    from metaapps.tracing.collector import Store
    from metaapps.tracing.collector.store import Kept, Trace
    from metaapps.tracing.export.lines import LinesSink

_MILLISECOND = 1_000


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=9411,
    show_default=True,
    help="Listen there; 0 takes a free port.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen at this address.")
@click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the spans in this file too, one JSON object a line, and begin with what it holds.",
)
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("trace.html"),
    show_default=True,
    help="Where the page goes when COMMAND has ended.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def collect(
    context: click.Context,
    port: int,
    host: str,
    file: Path | None,
    page: Path,
    command: tuple[str, ...],
) -> None:
    """Take spans as a Zipkin server does, and show them in a browser.

    With a COMMAND it runs that with TRACING_URL set, on a free port if none is given, writes a page
    of the traces when it has ended, and ends as it did.

    It takes Zipkin's v2 JSON and proto3, and refuses what the real server refuses. Traces are kept
    in memory, 128 MiB of them; then the oldest are dropped.

    \b
    Example:
      tracing collect &
      TRACING_URL=http://127.0.0.1:9411 python shop.py
      then open http://127.0.0.1:9411
      tracing collect -- filibuster run --functional-test ./test_shop.py
    """  # noqa: D301 - click reads a backspace as "leave the next paragraph as it is"
    from metaapps.tracing.collector import Collector, Store

    if command and context.get_parameter_source("port") is ParameterSource.DEFAULT:
        port = 0
    store = Store()
    telling = _Telling(store, _kept(file, store), quiet=bool(command))
    try:
        collector = Collector(store, host=host, port=port, grown=telling.grown)
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refused(f"can't listen at {plain(host)}:{port}: {reason}") from error
    with collector:
        if command:
            context.exit(run(command, collector.url, page))
        telling.begin(collector.url)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo("stopped")


class _Telling:
    """Says what came, and writes it to the file; requests in any thread wait for that.

    A full disk, or a terminal that is gone, is no reason to refuse spans.
    """

    def __init__(self, store: Store, lines: LinesSink | None, *, quiet: bool) -> None:
        self._store = store
        self._quiet = quiet
        self._lines = lines
        self._lock = threading.Lock()
        self._url = ""
        self._dropped = 0
        self._complained = False

    def begin(self, url: str) -> None:
        with self._lock:
            self._url = url
            click.echo(f"collecting at {url}: open it in a browser, and set TRACING_URL={url}")

    def grown(self, kept: Kept) -> None:
        with self._lock:
            if self._lines is not None:
                self._keep(self._lines, kept.written)
            if self._quiet:
                return
            try:
                self._tell(kept.traces)
            except OSError:
                self._quiet = True  # Nobody reads it any more.

    def _keep(self, lines: LinesSink, written: Sequence[bytes]) -> None:
        try:
            lines.send(b"".join(line + b"\n" for line in written))
        except TracingError as error:
            if self._complained:
                return
            self._complained = True
            with contextlib.suppress(OSError):
                click.echo(f"spans are missing there, {plain(str(error))}", err=True)

    def _tell(self, traces: Sequence[Trace]) -> None:
        for trace in traces:
            click.echo(f"{_line(trace)}  {self._url}/zipkin/traces/{trace[0].trace_id}")
        if (dropped := self._store.dropped) > self._dropped:
            self._dropped = dropped
            click.echo(f"memory is full: {count(dropped, 'trace')} dropped so far, the oldest")


def _kept(file: Path | None, store: Store) -> LinesSink | None:
    """Give the store what a file of spans holds; return what appends to that. Raises Refused."""
    if file is None:
        return None
    from metaapps.tracing.collector.json_v2 import decode, encode_list
    from metaapps.tracing.export.lines import LinesSink

    try:
        with file.open("a+b") as lines:
            lines.seek(0)
            content = lines.read()
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refused(f"can't keep spans in {plain(str(file))}: {reason}") from error
    try:
        store.add(decode(encode_list(filter(bytes.strip, content.splitlines()))))
    except SpanError as error:
        reason = plain(str(error))
        raise Refused(f"{plain(str(file))} holds no spans, one a line: {reason}") from error
    return LinesSink(file)


def _line(trace: Trace) -> str:
    services = {span.local.service for span in trace} - {""}
    parts = [
        f"trace {trace[0].trace_id}",
        f"{count(len(trace), 'span')}, {count(len(services), 'service')}, {_lasted(trace)}",
    ]
    if errors := sum(span.failed for span in trace):
        parts.append(count(errors, "error"))
    return "  ".join(parts)


def _lasted(trace: Trace) -> str:
    begun = [span for span in trace if span.timestamp]
    if not begun:
        return "no times"
    first = min(span.timestamp for span in begun)
    last = max(span.timestamp + span.duration for span in begun)
    return f"{(last - first) / _MILLISECOND:.1f} ms"
