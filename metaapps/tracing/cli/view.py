"""`tracing view`: traces as a page for a browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from metaapps.tracing.cli import options
from metaapps.tracing.cli.refusal import Refused
from metaapps.tracing.cli.source import plain, spans


@click.command()
@click.argument("source")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("trace.html"),
    show_default=True,
    help="Where the page goes.",
)
@options.trace
@options.limit
@click.option("--open", "opened", is_flag=True, help="Open the page in a browser.")
def view(source: str, output: Path, trace: str | None, limit: int, opened: bool) -> None:
    """Write the traces of SOURCE as one HTML page, which needs no network and no other file.

    SOURCE is a file that services wrote which ran with TRACING_FILE set: a Zipkin v2 JSON array, or
    JSON lines. Or it is the URL of a Zipkin server, or of `tracing collect`, which is asked for its
    latest traces; or the URL of one trace there.

    \b
    Example:
      tracing view trace.json --open
      tracing view http://localhost:9411 -o traces.html
    """  # noqa: D301 - click reads a backspace as "leave the next paragraph as it is"
    from metaapps.tracing.view import page  # --help can do without

    text = page(spans(source, limit=limit, trace=trace), title=_title(source))
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refused(f"can't write {plain(str(output))}: {reason}") from error
    click.echo(plain(str(output)))
    if opened:
        webbrowser.open(output.absolute().as_uri())


def _title(source: str) -> str:
    return source if "://" in source else Path(source).name
