"""`filibuster page`: a stored run as one HTML file that needs nothing else.

Executions look as they do on a terminal; what is stored, and where, is `store`'s business.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from io import StringIO
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console, RenderableType
from rich.markup import escape as plain
from rich.text import Text

from metaapps.filibuster.cli.dying import told_late, words_of
from metaapps.filibuster.cli.export import opened, run_option, saved, state, wanted
from metaapps.filibuster.cli.outcome import ExitCode, guarded
from metaapps.filibuster.cli.picture import headline, picture
from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.deaths import Late
from metaapps.filibuster.failing import Failed, smaller_ones
from metaapps.filibuster.observation import Execution
from metaapps.filibuster.store import Store, StoredRun

_WIDE: Final = 10_000
_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }}
details, .pruned {{ border-top: 1px solid #ddd; padding: .3em 0 }}
summary {{ cursor: pointer }}
pre, code {{ font: 13px/1.4 ui-monospace, monospace; margin: .3em 0; white-space: pre-wrap }}
.failed > summary {{ background: #fde8e8 }}
.pruned {{ color: #666; padding-left: 1.1em }}
#failed:checked ~ main > :not(.failed), #hide:checked ~ main > .pruned,
#small:checked ~ main > .bigger {{ display: none }}
</style></head><body><h1>{title}</h1><p>{summary}</p>
<input type="checkbox" id="failed"><label for="failed">failures only</label>
<input type="checkbox" id="small"><label for="small">the smallest only</label>
<input type="checkbox" id="hide"><label for="hide">without what was pruned</label>
<main>
"""
_TAIL: Final = "</main></body></html>\n"


@click.command("page", epilog="Example:  filibuster page --run 7 -o run.html")
@run_option
@click.option(
    "-o",
    "--output-file",
    "output",
    type=click.Path(path_type=Path),
    default="filibuster.html",
    show_default=True,
    help="Where it goes.",
)
def page(run: int | None, output: Path) -> None:
    """Write a run as one HTML page.

    It shows every execution with its calls, and what was pruned.
    """

    def work(report: Report) -> ExitCode:
        with opened() as store:
            stored = wanted(store, run)
            saved(output, _parts(store, stored))
        report.line(f"run {stored.id} is in {plain(str(output))}")
        return ExitCode.PASSED

    sys.exit(guarded(work).value)


def _parts(store: Store, stored: StoredRun) -> Iterator[str]:
    title = f"Run {stored.id} of {stored.test}"
    smaller = _smaller(store, stored)
    bigger = sum(map(bool, smaller.values()))
    of_those = f", of which {bigger} contain a smaller one that failed alike" if bigger else ""
    failed = f"{stored.failed} failed{of_those}"
    summary = f"{stored.executions} executions, {failed}; {state(stored)}"
    yield _HEAD.format(title=escape(title), summary=escape(summary))
    for content, execution in store.committed(stored.id):
        if content["event"] == "ran" and execution is not None:
            yield from _ran(content, execution, smaller.get(content["number"], ()))
        elif content["event"] == "pruned":
            yield _pruned(content)
    for late in store.deaths(stored.id):
        yield from _late(late)
    yield _TAIL


def _smaller(store: Store, stored: StoredRun) -> Mapping[int, Sequence[int]]:
    """Return of each execution that failed which smaller ones in it failed alike, by numbers."""
    failed = {
        Failed.of(execution): int(content["number"])
        for content, execution in store.committed(stored.id)
        if content["event"] == "ran" and execution is not None and not execution.passed
    }
    found = smaller_ones(failed)
    return {failed[each]: sorted(failed[one] for one in found[each]) for each in failed}


def _ran(content: Mapping[str, Any], execution: Execution, smaller: Sequence[int]) -> Iterator[str]:
    kind = "passed" if execution.passed else "failed bigger" if smaller else "failed"
    line = Text.from_markup(headline(execution, f"Execution {content['number']}"), emoji=False)
    yield f'<details class="{kind}"><summary>{_drawn(line)}</summary>'
    yield f"<pre>{_drawn(picture(execution, 'calls'))}</pre>"
    if execution.failure is not None:
        yield f"<pre>{escape(execution.failure.summary)}\n{escape(execution.failure.details)}</pre>"
    if smaller:
        told = ", ".join(map(str, smaller))
        yield f"<p>contains the faults of execution {told}, which failed alike</p>"
    for name, text in content["findings"]:
        yield f"<p><b>{escape(name)}</b>: {escape(text)}</p>"
    yield "</details>\n"


def _late(late: Late) -> Iterator[str]:
    told = _drawn(Text.from_markup(f"[bold]Late[/]  {told_late(late)}", emoji=False))
    yield f'<details class="failed"><summary>{told}</summary>'
    if late.execution is not None:
        yield f"<pre>{_drawn(picture(late.execution, 'calls'))}</pre>"
    yield f"<pre>{escape(words_of(late))}</pre></details>\n"


def _pruned(content: Mapping[str, Any]) -> str:
    faults = " + ".join(content["labels"])
    numbers = ", ".join(map(str, content["predicted by"]))
    verdict = content.get("verdict", "not predicted")
    told = f"Pruned: {faults}: {verdict}, as executions {numbers} show"
    return f'<div class="pruned">{escape(told)}</div>\n'


def _drawn(shown: RenderableType) -> str:
    """Return what a terminal would show as HTML."""
    console = Console(
        record=True, file=StringIO(), width=_WIDE, soft_wrap=True, highlight=False, emoji=False
    )
    console.print(shown)
    return console.export_html(inline_styles=True, code_format="{code}").rstrip()
