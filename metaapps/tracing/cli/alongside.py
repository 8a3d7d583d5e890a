"""Running a command with a collector beside it, for a look at what it did."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import click

from metaapps.tracing import settings
from metaapps.tracing.cli.refusal import Refused
from metaapps.tracing.cli.source import plain, spans

# Services of a test are killed, most often, and what they have not reported is lost.
_HASTE = "0.02"
# Services that outlive the command for a moment report once more as they end.
_LAST_WORDS = 1.0
_MOST = 100


def run(command: Sequence[str], url: str, where: Path) -> int:
    """Run a command that is to report to `url`; write its latest traces to a page.

    Returns the command's exit status, as a shell tells it; 2 if all went well, but no spans came.
    Raises Refused.
    """
    if not where.absolute().parent.is_dir():  # Who waited for the command wants the page.
        raise Refused(f"can't write {plain(str(where))}: its directory does not exist")
    try:
        # It gets the terminal's Ctrl-C itself, and the page is written after all.
        environment = settings.for_child(TRACING_URL=url, TRACING_INTERVAL=_HASTE)
        status = _wait(subprocess.Popen(command, env=environment))
    except OSError as error:
        raise Refused(f"can't run {plain(command[0])}: {error.strerror or error}") from error
    time.sleep(_LAST_WORDS)
    from metaapps.tracing.view import page

    found = spans(url, limit=_MOST)
    if not found:
        click.echo("no spans came: do the services call baggage.instrument()?", err=True)
        return status or 2
    title = f"{Path(command[0]).name}, its latest traces"
    try:
        where.write_text(page(found, title=title), encoding="utf-8")
    except OSError as error:
        raise Refused(f"can't write {plain(str(where))}: {error.strerror or error}") from error
    click.echo(f"traces: {plain(str(where))}")
    return status


def _wait(process: subprocess.Popen[bytes]) -> int:
    # Who ends a command that runs too long, as `timeout` does, ends what it knows of: this one.
    before = signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
    try:
        while True:
            try:
                status = process.wait()
            except KeyboardInterrupt:
                continue
            return status if status >= 0 else 128 + signal.Signals(-status)
    finally:
        signal.signal(signal.SIGTERM, before)
