"""One request through everything, seen by three tools at once; then the bug that two faults show.

Every step runs real commands and says what they came to; if that is anything else than the showcase
promises, it ends with 1 and one line. It works on a copy in a temporary directory, where its pages
stay; `--open` shows them in a browser.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from baggage.boundary import Kind
from examples.showcase import telling
from examples.showcase.shell import TRACES, Shell, UnexpectedError, prepared
from metaapps.filibuster.store import FILE, Store
from metaapps.tracing.causality import Causality
from metaapps.tracing.export.file import read
from metaapps.tracing.span import Span

TEST = ("--functional-test", "functional/test_books.py")
OPTIONS = ("--analysis-file", "analysis.json", "--workers", "8", "--settle", "60")
EXPLORE = ("filibuster", "run", *TEST, *OPTIONS)
TRACE = "trace.json"
COUNTEREXAMPLE = "counterexample.json"
REPLAY = ("filibuster", "replay", COUNTEREXAMPLE)
FAILED = 1
SPANS = 22
PATIENCE = 60.0

STORY = """
A photo book is ordered. Seven services have a part in it, and no line of theirs knows of baggage:
`baggage run` starts them. On its way the order crosses HTTP by requests and Flask, aiohttp with
gather, gRPC from a warm pool of threads, a queue to another thread, and a Celery task. Filibuster,
tracing, and a meter from a distribution of its own that was installed a moment ago are all at work
at once, over one set of instrumentations. {broker}
"""
REDIS = "Celery's broker is Redis."
NO_REDIS = "Celery's broker is in memory: no redis-server here."
ORDERED = """
1. Two customers order at the same time: blue one book, green two.

$ baggage run python order.py
"""
METERED = """
   What each of them used, in all services, says the meter. It adds up what branches bring home:
   tasks, threads, messages, answers, and the result of the Celery task.
"""
TRACED = """
2. The trace of blue's order. █ is the critical path: what everybody waited for.
"""
SIBLINGS = """
   Bike and van were asked by gather: true siblings, neither waited for the other.
"""
EXPLORED = f"""
3. Now every call fails in two ways, alone and together with others, 8 executions at once.

$ {" ".join(EXPLORE)}
"""
PRUNED = """
   What is pruned need not run: earlier executions show all that it leads to, because
"""
FOUND = """
   {count} executions failed. Each of them has two faults: neither shows the bug alone.
"""
REPLAYED = f"""
4. The first of them again, alone. Where no carrier answers, freight has a fallback. The press,
   behind a payment and a broker, was never told of it.

$ {" ".join(REPLAY)}
"""
FIXED = f"""
5. In services-fixed.toml the press knows of books that are picked up.

$ {" ".join(REPLAY)}
"""


def main() -> int:
    signal.signal(signal.SIGTERM, stop)
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="showcase-"))
    zipkin = os.environ.get("TRACING_URL") or os.environ.get("BAGGAGE_ZIPKIN_URL")
    try:
        with prepared(directory, **({"TRACING_URL": zipkin} if zipkin else {})) as shell:
            walk(shell, zipkin)
    except UnexpectedError as error:
        print(f"the showcase failed: {error}; what it left is in {directory}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(directory, ignore_errors=True)
        print("the showcase was interrupted", file=sys.stderr)
        return 130
    pages = [directory / name for name in ("trace.html", "filibuster.html")]
    say(f"\nPages to look at: {pages[0]}\n{'':18}{pages[1]}")
    say(f"All of this took {time.monotonic() - began:.0f} s.")
    for page in pages if "--open" in sys.argv[1:] else ():
        webbrowser.open(page.as_uri())
    return 0


def stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def walk(shell: Shell, zipkin: str | None) -> None:
    say(STORY.format(broker=REDIS if "REDIS_URL" in shell.environment else NO_REDIS))
    with shell.services("services.toml"):
        ordered(shell)
        traced(shell, zipkin)
        explored(shell)
        say(REPLAYED)
        show(without_details(shell.run(*REPLAY, code=FAILED)))
    with shell.services("services-fixed.toml"):
        fixed(shell)
    shell.run("filibuster", "page", "--run", "1")


def ordered(shell: Shell) -> None:
    say(ORDERED)
    orders = json.loads(shell.among_services().run("baggage", "run", "python", "order.py"))
    for order in orders:
        for answer in order["answers"]:
            paid, book = answer["paid"], answer["book"]
            say(f"  {order['tenant']:6} paid {paid} cents, and the book is at {book}")
    say(METERED)
    show(telling.billed(orders))


def traced(shell: Shell, zipkin: str | None) -> None:
    say(TRACED)
    spans = dunes(shell)
    show(telling.traced(spans))
    if not siblings(spans, "bike", "van"):
        raise UnexpectedError("the questions to bike and van are no concurrent siblings")
    say(f"{SIBLINGS}   Waited for: {telling.awaited(spans)}.")
    trace = spans[0].position.trace_id
    written = json.loads((shell.directory / TRACES).read_text())
    chosen = [span for span in written if span["traceId"] == trace]
    (shell.directory / TRACE).write_text(json.dumps(chosen))
    shell.run("tracing", "view", TRACE)
    if zipkin:
        say(f"   Zipkin has it: {zipkin.rstrip('/')}/zipkin/traces/{trace}")


def dunes(shell: Shell) -> list[Span]:
    """Return the spans of the order of dunes, once they are all there: some end after answers."""
    until = time.monotonic() + PATIENCE
    while True:
        spans = read(shell.directory / TRACES)
        traces = {span.position.trace_id for span in spans if span.name.endswith("/dunes")}
        found = [span for span in spans if span.position.trace_id in traces]
        if len(found) == SPANS:
            return found
        if time.monotonic() > until:
            raise UnexpectedError(f"the trace has {len(found)} spans, not {SPANS}")
        time.sleep(0.02)


def siblings(spans: Sequence[Span], *callees: str) -> bool:
    """Say whether the calls to two services have one parent, and neither waited for the other."""
    one, other = (
        next(span for span in spans if span.remote.service == callee and span.kind is Kind.CLIENT)
        for callee in callees
    )
    same = one.position.parent_id == other.position.parent_id
    return same and Causality.of(spans).concurrent(one, other)


def explored(shell: Shell) -> None:
    say(EXPLORED)
    written = shell.run(*EXPLORE, code=FAILED).splitlines()
    show(line for line in written if re.match(r"explored |\d+ executions? ran ahead", line))
    with Store.open(shell.directory / ".filibuster" / FILE) as store:
        committed = list(store.committed(1))
    say(PRUNED)
    show(telling.reasons(committed))
    failed = [line.removeprefix("failed: ") for line in written if line.startswith("failed: ")]
    say(FOUND.format(count=len(failed)))
    show(failed)


def without_details(written: str) -> list[str]:
    """Return a picture of an execution without clocks, places, and the traceback."""
    hidden = re.compile(r"[│ ]* vclock |  │ ")
    return [line for line in written.splitlines() if not hidden.match(line)]


def fixed(shell: Shell) -> None:
    say(FIXED)
    show(shell.run(*REPLAY).splitlines()[-1:])
    say(f"\n$ {' '.join(EXPLORE)}\n")
    written = shell.run(*EXPLORE).splitlines()
    show(line for line in written if line.startswith("explored "))
    say("  all passed")


def say(text: str = "") -> None:
    print(text, flush=True)


def show(lines: Iterable[str]) -> None:
    for line in lines:
        say(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
