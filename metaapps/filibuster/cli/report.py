"""What a command writes: lines, executions, and texts that somebody else wrote.

The only module that writes to the terminal. Colours and boxes are for terminals alone; a pipe gets
plain lines of any width. How one execution looks is `picture`'s business, how a whole search is
shown `progress`'s.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, Final, NoReturn

from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.segment import Segment, Segments
from rich.text import Text
from rich.tree import Tree

from metaapps.filibuster.cli.picture import faults_of, headline, picture
from metaapps.filibuster.failing import Failed, smaller_ones
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.printable import printable

_PIPE_WIDTH: Final = 10_000
_MOST_LINES: Final = 40
"""Of a failure's details so many lines are shown; the counterexample has all of them."""
MOST_FAILURES: Final = 30
"""So many failures are listed at the end; the counterexamples are all there."""


@dataclass(frozen=True, slots=True)
class Found:
    """A failing execution in words, and where its counterexample is."""

    failed: Failed
    faults: str
    summary: str
    path: Path

    @classmethod
    def of(cls, execution: Execution, path: Path) -> Found:
        """Return what is told of an execution."""
        summary = "" if execution.failure is None else execution.failure.summary
        return cls(Failed.of(execution), faults_of(execution), summary, path)


class _Console(Console):
    def __init__(self, **options: Any) -> None:
        # To rich, "orders:ledger: drop" has the picture of a book in it.
        super().__init__(highlight=False, soft_wrap=True, emoji=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """Leave out what would steer the terminal: services and tests say what they like."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))

    def on_broken_pipe(self) -> NoReturn:
        """Let the work end as whoever reads does, but with an exit code of its own."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise BrokenPipeError(0, "nobody reads the output any more")


def make_console(*, stderr: bool = False) -> Console:
    """Return the console to write to."""
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, TextIOWrapper):
        # What can't be written in the stream's encoding must not end the run.
        stream.reconfigure(errors="replace")
    console = _Console(stderr=stderr)
    if console.is_terminal:
        return console
    return _Console(stderr=stderr, width=_PIPE_WIDTH, no_color=True)


def counted(number: int, what: str) -> str:
    """Return how many there are of something, as in "3 executions"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


class LiveLine:
    """The last line of a terminal, which changes while others scroll by; of a pipe, nothing."""

    def __init__(self, live: Live | None) -> None:
        """Show nothing yet."""
        self._live = live

    def show(self, text: str) -> None:
        """Show a line of plain text in place of the one before."""
        if self._live is not None:
            line = Text(text, style="dim", no_wrap=True, overflow="ellipsis")
            self._live.update(line, refresh=True)


class Report:
    """Shows what happens as it happens. Safe in any thread."""

    def __init__(self, console: Console) -> None:
        """Write to a console."""
        self._console = console

    @contextmanager
    def live_line(self) -> Iterator[LiveLine]:
        """Keep a last line that changes, on a terminal; it is gone in the end."""
        if not self._console.is_terminal:
            yield LiveLine(None)
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            yield LiveLine(live)

    def started(self, urls: Mapping[str, str], seconds: float, logs: Path) -> None:
        """Say which services were started."""
        told = ", ".join(f"{name}={url}" for name, url in urls.items())
        self._console.print(
            f"[dim]{len(urls)} services started in {seconds:.1f} s: {escape(told)}\n"
            f"their logs: {escape(str(logs))}[/]"
        )

    def started_again(self, seconds: float, logs: Path) -> None:
        """Say that services were started again."""
        self._console.print(
            f"[dim]services started again in {seconds:.1f} s, their logs: {escape(str(logs))}[/]"
        )

    def execution(self, execution: Execution, title: str, remaining: int | None = None) -> None:
        """Show one execution: its faults, calls and verdict, and how it failed."""
        self._console.print(self._uncut(picture(execution, headline(execution, title, remaining))))
        if execution.failure is not None:
            self._console.print(f"  [red]{escape(execution.failure.summary)}[/]")
            self.quote(execution.failure.details)

    def _uncut(self, drawn: Tree) -> Segments:
        """Return a tree whose lines are as long as they are: the terminal wraps them."""
        options = self._console.options.update(width=_PIPE_WIDTH)
        lines = self._console.render_lines(drawn, options, pad=False)
        parts = [segment for line in lines for segment in (*line, Segment.line())]
        return Segments(parts)

    def execution_line(self, execution: Execution, title: str, remaining: int) -> None:
        """Show one execution in a line, or in two if it failed."""
        self._console.print(headline(execution, title, remaining))
        if execution.failure is not None:
            self._console.print(f"  [red]{escape(execution.failure.summary)}[/]")

    def line(self, text: str) -> None:
        """Show one line of markup."""
        self._console.print(text)

    def raw(self, text: str) -> None:
        """Write a line as it is, for programs to read."""
        self._console.out(text, highlight=False)

    def quote(self, text: str) -> None:
        """Show the end of a text that somebody else wrote."""
        lines = text.rstrip().splitlines()
        if len(lines) > _MOST_LINES:
            self._console.print(f"  [dim]│ … {len(lines) - _MOST_LINES} lines more[/]")
        for line in lines[-_MOST_LINES:]:
            self._console.print(f"  [dim]│[/] {escape(line)}")

    def counterexample(self, path: Path) -> None:
        """Say where a counterexample was written."""
        self._console.print(f"  counterexample: {escape(str(path))}")

    def failures(self, found: Sequence[Found], replay: str) -> None:
        """Show failures again in short, and the command that replays the first.

        Those that contain a smaller one that failed alike are counted there.
        """
        smaller = smaller_ones([each.failed for each in found])
        bigger = Counter(chain.from_iterable(smaller.values()))
        told = [each for each in found if not smaller[each.failed]]
        for each in told[:MOST_FAILURES]:
            self._console.print(
                f"[red]failed:[/] {each.faults}\n"
                f"        {escape(each.summary)}\n"
                f"        [dim]{escape(str(each.path))}[/]"
            )
            if bigger[each.failed]:
                more = f"{counted(bigger[each.failed], 'more plan')} containing it"
                self._console.print(f"        and {more}, whose files are there too")
        if len(told) > MOST_FAILURES:
            self._console.print(
                f"[red]and {len(told) - MOST_FAILURES} more[/], whose files are there too"
            )
        self._console.print(f"replay the first: {escape(replay)}")
