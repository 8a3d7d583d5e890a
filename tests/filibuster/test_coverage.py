"""Coverage of the services over all executions: what ran, under which faults, in which process.

It is recorded by services that really run, started by the commands that people type.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baggage.boundary import Fault, FaultKind
from metaapps.filibuster.coverage import plans, summary
from metaapps.filibuster.coverage.arrival import context
from metaapps.filibuster.coverage.recording import Recording
from metaapps.filibuster.observation import Execution, Observation, Role
from metaapps.filibuster.orders import Orders
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault
from tests.filibuster.shell import BIN, EXAMPLES, Ended, Shell, processes

TEST = ("--functional-test", "functional/test_foo_bar_baz.py")
SERVICES = ("--services", "services.toml")
REPORT = str(BIN / "filibuster-coverage")

BAZ_RAISES = [
    "bar → baz GET /baz: requests.exceptions.ConnectionError",
    "bar → baz GET /baz: requests.exceptions.ReadTimeout",
]
BAZ_ANSWERS = [f"bar → baz GET /baz: {status}" for status in (500, 502, 503)]
BAR_REFUSES = "foo → bar GET /bar/baz: requests.exceptions.ConnectionError"
BAR_IS_LATE = "foo → bar GET /bar/baz: requests.exceptions.ReadTimeout"
# 503 is pruned.
BAR_ANSWERS = [f"foo → bar GET /bar/baz: {status}" for status in (500, 502)]

BY_FAULTS_ONLY = {
    "services/bar/app.py": {
        "except requests.exceptions.RequestException:": BAZ_RAISES,
        'return "baz cannot be reached", 503': BAZ_RAISES,
        'return "baz failed", 503': BAZ_ANSWERS,
    },
    "services/baz/app.py": {},
    "services/foo/app.py": {
        "except requests.exceptions.Timeout:": [BAR_REFUSES, BAR_IS_LATE],
        'return "bar took too long", 503': [BAR_IS_LATE],
        'return "bar failed", 503': [*BAZ_ANSWERS, *BAZ_RAISES, *BAR_ANSWERS],
    },
}
TOTAL = "covered 91.3% by the test alone, 100.0% with faults\npage: htmlcov/index.html\n"


def by_faults_only(directory: Path) -> dict[str, dict[str, list[str]]]:
    """Return the lines that faults alone reached, as the page tells it to machines, by source."""
    found: dict[str, dict[str, list[str]]] = {}
    for path, file in page(directory)["files"].items():
        source = Path(path).read_text(encoding="utf-8").splitlines()
        lines = file["by_faults_only"].items()
        name = Path(path).relative_to(directory.resolve()).as_posix()
        found[name] = {source[int(line) - 1].strip(): names for line, names in lines}
    return found


def page(directory: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((directory / "htmlcov" / "filibuster.json").read_bytes())
    return read


def copied(directory: Path) -> Shell:
    """Return a copy of the tutorial."""
    for part in ("functional", "services"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(EXAMPLES / "tutorial" / part, directory / part, ignore=ignored)
    shutil.copy(EXAMPLES / "tutorial" / "services.toml", directory)
    return Shell(directory)


def written(directory: Path) -> dict[str, bytes]:
    """Return all that is in a directory, but for what python and filibuster keep for themselves."""
    kept = (".filibuster", "state", "__pycache__", ".pytest_cache")
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not set(path.parts) & set(kept)
    }


@pytest.fixture
def tutorial(shell: Shell) -> Shell:
    return copied(shell.directory)


# The tutorial


@dataclass(frozen=True)
class Run:
    shell: Shell
    ended: Ended


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    shell = copied(tmp_path_factory.mktemp("tutorial"))
    ended = shell.filibuster("run", "--coverage", *SERVICES, *TEST)
    assert processes(shell.directory) == []
    return Run(shell, ended)


def test_a_run_with_coverage_ends_as_the_run_does(run: Run) -> None:
    assert run.ended.code == 1, run.ended.err
    assert run.ended.failed == [BAR_REFUSES]
    assert run.ended.err == ""


def test_the_error_handlers_are_covered_by_exactly_the_faults_that_reach_them(run: Run) -> None:
    assert by_faults_only(run.shell.directory) == BY_FAULTS_ONLY


def test_the_last_lines_say_what_the_test_covers_alone_and_with_faults(run: Run) -> None:
    assert run.ended.out.endswith(f"\n{TOTAL}")


def test_the_terminal_tells_of_each_file_which_lines_faults_alone_reached(run: Run) -> None:
    assert "services/foo/app.py     26   88.5%       100.0%  30-31, 33\n" in run.ended.out
    assert "services/baz/app.py     17  100.0%       100.0%\n" in run.ended.out
    assert f"\n  31  {BAR_IS_LATE}\n" in run.ended.out


def test_the_page_opens_the_faults_of_the_lines_that_they_alone_reached(run: Run) -> None:
    html = run.shell.directory / "htmlcov"
    pages = {path.name: path.read_text(encoding="utf-8") for path in html.glob("*.html")}
    foo = next(text for text in pages.values() if "Coverage for services/foo/app.py" in text)
    assert "[30, 31, 33].forEach(" in foo
    for line in (30, 31, 33):
        assert f'id="t{line}"' in foo
        assert f'id="ctxs{line}"' in foo
    assert json.dumps(BAR_IS_LATE) in foo
    index = pages["index.html"]
    assert "Services: 91.3% by the test alone, with faults" in index
    listed = index.partition("Reached by faults only")[2]
    assert f'#t31">services/foo/app.py: 31</a></td><td>{BAR_IS_LATE}</td>' in listed


def test_only_what_the_services_loaded_is_measured(run: Run) -> None:
    measured = {Path(path).parent.name for path in page(run.shell.directory)["files"]}
    assert measured == {"foo", "bar", "baz"}


def test_the_last_run_can_be_reported_again_elsewhere(run: Run) -> None:
    ended = run.shell.run(REPORT, "--html", "again/html")
    assert ended.code == 0, ended.err
    assert ended.out.endswith("with faults\npage: again/html/index.html\n")
    again = (run.shell.directory / "again" / "html" / "filibuster.json").read_bytes()
    assert json.loads(again) == page(run.shell.directory)


def test_a_second_run_replaces_the_page_of_the_first_and_its_recording(tutorial: Shell) -> None:
    (tutorial.directory / "htmlcov").mkdir()
    once = (*SERVICES, *TEST, "--only-initial-execution")
    assert tutorial.filibuster("run", "--coverage", *once).code == 0
    ended = tutorial.filibuster("run", "--coverage", *once)
    assert ended.code == 0, ended.err
    assert "no line was reached by faults only\n" in ended.out
    assert "covered 91.3% by the test alone, 91.3% with faults\n" in ended.out
    assert len(list((tutorial.directory / ".filibuster" / "coverage").iterdir())) == 1


def test_a_replay_tells_that_the_test_did_not_run_alone(tutorial: Shell, run: Run) -> None:
    shutil.copy(run.shell.directory / "counterexample.json", tutorial.directory)
    ended = tutorial.filibuster(
        "run", "--coverage", *SERVICES, "--counterexample-file", "counterexample.json"
    )
    assert ended.code == 1, ended.err
    assert "\ncovered 82.6% with faults; the test did not run without any\n" in ended.out


def test_services_that_are_left_running_are_ended_by_the_report(tutorial: Shell) -> None:
    assert tutorial.filibuster("services", "start", "--coverage").code == 0
    assert tutorial.filibuster("run", *TEST).code == 1
    ended = tutorial.run(REPORT)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("services stopped")
    assert ended.out.endswith(TOTAL)
    assert by_faults_only(tutorial.directory) == BY_FAULTS_ONLY
    assert processes(tutorial.directory) == []


def test_a_run_with_coverage_ends_services_that_were_left_running_to_record(
    tutorial: Shell,
) -> None:
    assert tutorial.filibuster("services", "start", "--coverage").code == 0
    ended = tutorial.filibuster("run", "--coverage", *TEST, "--only-initial-execution")
    assert ended.code == 0, ended.err
    assert "\ncovered 91.3% by the test alone, 91.3% with faults\n" in ended.out
    assert processes(tutorial.directory) == []


def test_services_that_were_stopped_by_hand_are_reported_too(tutorial: Shell) -> None:
    assert tutorial.filibuster("services", "start", "--coverage").code == 0
    assert tutorial.filibuster("run", *TEST, "--max-executions", "2").code == 0
    assert "`filibuster-coverage`" in tutorial.filibuster("services", "stop").out
    ended = tutorial.run(REPORT)
    assert ended.code == 0, ended.err
    assert by_faults_only(tutorial.directory)["services/bar/app.py"] == {
        "except requests.exceptions.RequestException:": BAZ_RAISES[:1],
        'return "baz cannot be reached", 503': BAZ_RAISES[:1],
    }


# Nothing to report, nothing to destroy


SERVER = """
import os, socket, http.server
class Server(http.server.HTTPServer):
    def server_bind(self): self.socket = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    def server_activate(self): pass
Server(("", 0), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def refused(ended: Ended, reason: str) -> bool:
    """Say whether a command did nothing but give its reason, in one line."""
    return ended.code == 2 and ended.out == "" and reason in ended.err and lines(ended.err) == 1


def lines(text: str) -> int:
    return len(text.splitlines())


def test_a_page_that_something_else_made_is_not_touched(tutorial: Shell) -> None:
    tutorial.write("htmlcov/index.html", "mine")
    before = written(tutorial.directory)
    for ended in (
        tutorial.filibuster("run", "--coverage", *SERVICES, *TEST),
        tutorial.run(REPORT),
        tutorial.run(REPORT, "--html", "services.toml"),
    ):
        assert refused(ended, "name another"), ended
    assert written(tutorial.directory) == before


def test_where_nothing_was_recorded_the_report_says_how_to_record(tutorial: Shell) -> None:
    before = written(tutorial.directory)
    assert refused(tutorial.run(REPORT), "`filibuster services start --coverage`")
    assert written(tutorial.directory) == before


def test_services_that_something_else_started_are_refused_before_the_test_runs(
    tutorial: Shell,
) -> None:
    assert refused(tutorial.filibuster("run", "--coverage", *TEST), "something else started")
    assert tutorial.filibuster("services", "start").code == 0
    before = written(tutorial.directory)
    assert refused(tutorial.filibuster("run", "--coverage", *TEST), "something else started")
    assert refused(tutorial.run(REPORT), "something else started")
    assert written(tutorial.directory) == before
    assert tutorial.filibuster("services", "stop").code == 0


def test_foreign_services_are_refused(tutorial: Shell) -> None:
    before = written(tutorial.directory)
    ended = tutorial.filibuster("run", "--coverage", "--foreign", *SERVICES, *TEST)
    assert refused(ended, "leave --foreign or --coverage out")
    assert written(tutorial.directory) == before


def test_a_run_that_could_not_be_done_leaves_the_page_alone(run: Run) -> None:
    before = written(run.shell.directory / "htmlcov")
    ended = run.shell.filibuster("run", "--coverage", "--services", "none.toml", *TEST)
    assert refused(ended, "none.toml")
    ended = run.shell.filibuster("run", "--coverage", *SERVICES, "--functional-test", "none.py")
    assert ended.code == 2
    assert written(run.shell.directory / "htmlcov") == before


def test_a_run_of_services_that_run_no_code_of_theirs_is_no_coverage(shell: Shell) -> None:
    shell.write("services.toml", "[services.a]\ncommand = '{python} -I server.py'\n")
    shell.write("server.py", SERVER)
    assert shell.filibuster("services", "start", "--coverage").code == 0
    ended = shell.run(REPORT)
    assert ended.code == 2
    assert "no line of any service was recorded" in ended.err
    assert lines(ended.err) == 1
    assert not (shell.directory / "htmlcov").exists()
    assert processes(shell.directory) == []


def test_what_can_not_be_read_is_named_and_the_rest_reported(run: Run) -> None:
    recording = Recording.latest(run.shell.directory / ".filibuster" / "coverage")
    assert recording is not None
    broken = recording.directory / "foo" / "data.vm.pid1.Xabc"
    broken.write_bytes(b"SQLite it is not")
    ended = run.shell.run(REPORT, "--html", "rest")
    broken.unlink()
    assert ended.code == 0
    assert f"can't read what a process recorded: {broken}" in ended.out


# Processes

FRONT = """
import multiprocessing, os, socket, subprocess, sys

import requests, waitress
from flask import Flask

import work
from metaapps.filibuster.instrumentation.flask import FlaskInstrumentor
from metaapps.filibuster.instrumentation.requests import RequestsInstrumentor

app = Flask("front")
FlaskInstrumentor().instrument_app(app, service_name=os.environ["BAGGAGE_SERVICE"])
RequestsInstrumentor().instrument(service_name=os.environ["BAGGAGE_SERVICE"])


@app.get("/health-check")
def health_check():
    return os.environ["CHAINED"]


@app.get("/")
def front():
    if os.environ["BAGGAGE_SERVICE"] == "back":
        return "well"
    try:
        requests.get(os.environ["BACK_URL"], timeout=60)
    except requests.exceptions.ConnectionError:
        subprocess.run([sys.executable, "work.py"], check=True)
        for method in ("fork", "spawn"):
            process = multiprocessing.get_context(method).Process(target=work.run, args=(method,))
            process.start()
            process.join()
        child = os.fork()
        if not child:
            work.run("os.fork")
            os._exit(0)
        os.waitpid(child, 0)
        return "not so well"
    return "well"


if __name__ == "__main__":
    waitress.serve(app, sockets=[socket.socket(fileno=int(os.environ["SERVICE_FD"]))])
"""
WORK = """
def run(how):
    if how == "fork":
        print("forked by multiprocessing")
    elif how == "spawn":
        print("spawned")
    elif how == "os.fork":
        print("forked by hand")
    elif how == "script":
        print("run as a script")


if __name__ == "__main__":
    run("script")
"""
ASK = """
import os, requests
def test_front():
    assert requests.get(os.environ["FRONT_URL"], timeout=300).status_code == 200
"""
REFUSED = {
    "http": {
        "pattern": "requests.get",
        "exceptions": [{"name": "requests.exceptions.ConnectionError", "metadata": {}}],
    }
}


def test_the_lines_of_child_processes_count_for_the_execution_that_they_worked_for(
    shell: Shell,
) -> None:
    for name in ("front", "back"):
        toml = f"[services.{name}]\ncommand = '{{python}} app.py'\nready = '/health-check'\n"
        # By which means others measure is their own business.
        toml += "env = {PYTHONPATH = 'startup', COVERAGE_CORE = 'none that there is'}\n"
        with (shell.directory / "services.toml").open("a") as file:
            file.write(toml)
    shell.write("app.py", FRONT)
    shell.write("work.py", WORK)
    shell.write("test_front.py", ASK)
    shell.write("refused.json", json.dumps(REFUSED))
    # What a service's own sitecustomize does is done as ever.
    shell.write("startup/sitecustomize.py", "import os\nos.environ['CHAINED'] = 'yes'\n")
    options = ("--functional-test", "test_front.py", "--analysis-file", "refused.json")
    ended = shell.filibuster("run", "--coverage", *SERVICES, *options)
    assert ended.code == 0, ended.out + ended.err
    faults = ["front → back GET /: requests.exceptions.ConnectionError"]
    found = by_faults_only(shell.directory)["work.py"]
    printed = {line.partition('"')[2][:-2]: by for line, by in found.items() if "print" in line}
    assert printed == {
        "forked by multiprocessing": faults,
        "spawned": faults,
        "forked by hand": faults,
        "run as a script": faults,
    }


# Labels and shares


def ran(fault: Fault, index: bytes, *, raised: str | None = None, hit: bool = True) -> Execution:
    """Return an execution under one fault; calls differ by their index alone."""
    call = Observation(
        role=Role.CALL,
        index=index,
        parent=bytes(16),
        position=0,
        source="a",
        target="b",
        operation="GET /",
        raised=raised,
        injected=fault,
    )
    plan = Plan((PlannedFault(index, fault, "b", "the plan's own words"),))
    return Execution(plan, (call,) if hit else ())


TIMEOUT = Fault(FaultKind.TIMEOUT)


def test_a_label_says_what_a_fault_turned_out_to_be() -> None:
    assert plans.label(Execution(FAULT_FREE)) == "no faults"
    assert plans.label(ran(TIMEOUT, b"1", raised="lib.Late")) == "a → b GET /: lib.Late"
    assert plans.label(ran(TIMEOUT, b"1")) == "a → b GET /: timeout"
    assert plans.label(ran(TIMEOUT, b"1", hit=False)) == "the plan's own words (not hit)"


def test_each_plan_has_a_label_of_its_own_and_only_one(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    assert plans.labels(notes) == {}
    for name, index in (("first", b"1"), ("second", b"2"), ("first again", b"1")):
        plans.note(notes, name, ran(TIMEOUT, index))
    told = plans.labels(notes)
    assert told["first"] == told["first again"] != told["second"]
    assert told["second"] == f"a → b GET /: timeout [{b'2'.hex()}]"


def test_an_execution_that_nobody_noted_is_called_by_what_services_knew() -> None:
    orders = Orders("e1", ran(TIMEOUT, b"1").plan)
    assert plans.label_of_context(context(orders), {}) == "b: timeout"
    assert plans.label_of_context(context(orders), {"e1": "noted"}) == "noted"
    assert plans.label_of_context(context(Orders("e1")), {}) == plans.NO_FAULTS
    assert plans.label_of_context("", {}) == plans.START


@given(st.integers(1, 10**6).flatmap(lambda all_: st.tuples(st.integers(0, all_), st.just(all_))))
def test_a_share_is_rounded_but_never_to_all_or_nothing(counts: tuple[int, int]) -> None:
    part, whole = counts
    told = summary.percent(part, whole)
    assert (told == "100.0%") == (part == whole)
    assert (told == "0.0%") == (part == 0)
    assert abs(float(told[:-1]) - 100 * part / whole) < 0.1


@given(
    st.sets(st.integers(1, 60), min_size=1).flatmap(
        lambda all_: st.tuples(st.sets(st.sampled_from(sorted(all_))), st.just(all_))
    )
)
def test_ranges_name_exactly_the_lines_that_were_chosen(
    sets: tuple[set[int], set[int]],
) -> None:
    chosen, statements = sets
    told = summary.ranges(chosen, statements)
    bounds = [list(map(int, part.split("-"))) for part in told.split(", ") if part]
    assert chosen == {n for n in statements for b in bounds if b[0] <= n <= b[-1]}
    assert len(bounds) <= len(chosen)
