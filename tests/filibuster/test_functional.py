"""Every way to write a functional test runs unchanged, alone in its process, and ends."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from baggage.boundary import write_header
from baggage.values import EMPTY
from metaapps.filibuster.cli.functional import FunctionalTestError, Verdict, functional_test
from metaapps.filibuster.cli.style import Style, TestFileError, style_of
from metaapps.filibuster.cli.testcase import Task
from metaapps.filibuster.index import TEST, CallFrame, child
from metaapps.filibuster.lineage import ROOT
from metaapps.filibuster.observation import Failure, Observation, Role
from metaapps.filibuster.orders import LINEAGE, ORDERS, Orders
from metaapps.filibuster.wire import decode_observations, encode_lineage, encode_orders
from tests.filibuster.shell import Shell, processes, wait_until

KEY = b"a key"
Try = Callable[..., Verdict]


@pytest.fixture
def run(tmp_path: Path) -> Try:
    """Run a test of this text once, under orders to do nothing."""

    def run(text: str, name: str = "test_it.py", timeout: float = 300.0) -> Verdict:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        with functional_test(str(path)) as test:
            return test.run(header(), environment(), timeout)

    return run


def header() -> str:
    orders = Orders("an execution", expires=int(time.time()) + 3600)
    down = {ORDERS: encode_orders(orders, KEY), LINEAGE: encode_lineage(ROOT)}
    return write_header(EMPTY.with_down(down))


def environment() -> dict[str, str]:
    # Nobody listens there: what counts is which calls are seen.
    return {"URL": "http://127.0.0.1:9", "FILIBUSTER_KEY": KEY.decode()}


def calls(verdict: Verdict) -> list[str]:
    seen = decode_observations(verdict.seen)
    assert all(each.by_test and each.source == "test" for each in seen if each.role is Role.CALL)
    return [each.operation for each in in_order(seen) if each.role is Role.CALL]


def in_order(seen: tuple[Observation, ...]) -> list[Observation]:
    return sorted(seen, key=lambda each: (each.parent, each.position))


CALLS = """
import os
import requests

def call(path):
    try:
        requests.get(os.environ["URL"] + path, timeout=60)
    except requests.exceptions.ConnectionError:
        pass
"""

STYLES = {
    "a script": (Style.SCRIPT, "call('/a')"),
    "a guarded script": (
        Style.SCRIPT,
        """
        def test(): call('/never')
        if __name__ == '__main__':
            call('/a')
        """,
    ),
    "unittest.main": (
        Style.SCRIPT,
        """
        import unittest
        class TestIt(unittest.TestCase):
            def setUp(self): self.path = '/a'
            def test(self): call(self.path)
        if __name__ == '__main__':
            unittest.main()
        """,
    ),
    "a function": (Style.FUNCTIONS, "def test(): call('/a')"),
    "an async function": (
        Style.FUNCTIONS,
        """
        import asyncio
        async def test():
            await asyncio.sleep(0)
            call('/a')
        """,
    ),
    "an async function with a helper thread": (
        Style.FUNCTIONS,
        """
        import asyncio
        async def test():
            await asyncio.to_thread(call, '/a')
        """,
    ),
    "a fixture": (
        Style.PYTEST,
        """
        import pytest
        @pytest.fixture
        def path(): return '/a'
        def test(path): call(path)
        """,
    ),
    "a fixture that nobody names": (
        Style.PYTEST,
        """
        import pytest
        @pytest.fixture(autouse=True)
        def _first(): call('/a')
        def test(): pass
        """,
    ),
    "a built-in fixture": (Style.PYTEST, "def test(tmp_path): call('/a')"),
    "a parameter": (
        Style.PYTEST,
        """
        from pytest import mark
        @mark.parametrize('path', ['/a'])
        def test(path): call(path)
        """,
    ),
    "a class": (
        Style.PYTEST,
        """
        class TestIt:
            def setup_method(self): self.path = '/a'
            def test(self): call(self.path)
        """,
    ),
    "unittest's class": (
        Style.PYTEST,
        """
        from unittest import TestCase
        class It(TestCase):
            def test(self): call('/a')
        """,
    ),
    "a function that is called before": (
        Style.PYTEST,
        """
        def setup_function(): call('/a')
        def test(): pass
        """,
    ),
    "a joined thread": (
        Style.FUNCTIONS,
        """
        import threading
        def test():
            thread = threading.Thread(target=call, args=('/a',))
            thread.start()
            thread.join()
        """,
    ),
    "a thread that nobody joins": (
        Style.SCRIPT,
        """
        import threading, time
        def later():
            time.sleep(0.1)
            call('/a')
        threading.Thread(target=later).start()
        """,
    ),
    "a pool": (
        Style.FUNCTIONS,
        """
        from concurrent.futures import ThreadPoolExecutor
        def test():
            with ThreadPoolExecutor() as pool:
                pool.submit(call, '/a').result()
        """,
    ),
}


@pytest.mark.parametrize(("style", "text"), STYLES.values(), ids=STYLES)
def test_a_test_runs_as_it_is_written(style: Style, text: str, run: Try, tmp_path: Path) -> None:
    verdict = run(CALLS + textwrap.dedent(text))
    assert verdict.failure is None
    assert calls(verdict) == ["GET /a"]
    assert style_of(tmp_path / "test_it.py") is style


def test_pytest_runs_what_has_a_conftest_beside_it(run: Try, tmp_path: Path) -> None:
    fixture = "import pytest\n@pytest.fixture(autouse=True)\ndef _first(): call('/a')\n"
    (tmp_path / "conftest.py").write_text(CALLS + fixture)
    assert calls(run("def test(): pass")) == ["GET /a"]


def test_all_functions_run_in_order_until_one_fails(run: Try) -> None:
    verdict = run(
        CALLS + "def test_b(): call('/b')\n"
        "def test_a(): call('/a'); raise KeyError('x')\n"
        "def test_c(): call('/c')\n"
    )
    assert calls(verdict) == ["GET /b", "GET /a"]
    assert verdict.failure is not None
    assert verdict.failure.summary == "KeyError: 'x' (test_it.py:11)"


FAILURES = {
    "assert": ("def test():\n    assert 1 == 2", "AssertionError: assert 1 == 2 (test_it.py:2)"),
    "message": ("def test():\n    assert 0, 'a\\nb'", "AssertionError: a (test_it.py:2)"),
    "exit": ("raise SystemExit(3)", "exit code 3"),
    "exit with words": ("raise SystemExit('so it is')", "so it is"),
    "exit at once": ("import os; os._exit(4)", "ended itself with exit code 4"),
    "exit at once as if passed": ("import os; os._exit(0)", "ended itself with exit code 0"),
    "signal": ("import os; os.kill(os.getpid(), 11)", "ended by SIGSEGV"),
    "address": ("raise ValueError(object())", "ValueError: <object object> (test_it.py:1)"),
    "elsewhere": (
        "import json\ndef test():\n    json.loads('')",
        "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0) (test_it.py:3)",
    ),
    "unittest": (
        "import unittest as u\nclass T(u.TestCase):\n    def test(self): self.fail('x')\nu.main()",
        "exit code 1",
    ),
    "pytest": ("def test(tmp_path):\n    assert 1 == 2", "assert 1 == 2 (test_it.py:2)"),
    "pytest, raised": ("def test(tmp_path):\n    [][1]", "IndexError: list index out of range"),
    "pytest, fixture": ("def test(no_such_fixture): pass", "fixture 'no_such_fixture' not"),
    "pytest, import": ("import no_such_module\ndef test(tmp_path): pass", "ModuleNotFoundError"),
    "pytest, nothing": (
        "class TestIt:\n    def check(self): pass",
        "pytest: no tests collected",
    ),
    "import": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
}


@pytest.mark.parametrize(("text", "summary"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_told_in_one_line(text: str, summary: str, run: Try) -> None:
    failure = run(text).failure
    assert failure is not None
    assert failure.summary.startswith(summary)
    assert "\n" not in failure.summary


def test_a_failure_shows_the_test_s_own_frames_and_output(run: Try, tmp_path: Path) -> None:
    failure = run("print('said')\ndef test():\n    raise ValueError('x')").failure
    assert failure is not None
    assert failure.details == (
        "Traceback (most recent call last):\n"
        f'  File "{tmp_path}/test_it.py", line 3, in test\n'
        "    raise ValueError('x')\n"
        "ValueError: x\n"
        "said"
    )


def test_runs_leave_nothing_to_the_next(run: Try) -> None:
    text = "import os, sys\nassert 'MINE' not in os.environ and not hasattr(sys, 'mine')\n"
    text += "os.environ['MINE'] = sys.mine = 'x'"
    assert run(text).failure is run(text).failure is None


def test_a_run_has_the_directory_and_the_arguments_of_a_script(run: Try, tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("FOUND = 1")
    assert (
        run(f"import sys, beside\nassert sys.argv == [{str(tmp_path / 'test_it.py')!r}]").failure
        is None
    )


def out_of_time(run: Try, text: str, summary: str) -> Failure:
    """Return how a test fails that hangs; it gets more time where it has not come to that."""
    limit = 0.5
    while (failure := run(text, timeout=limit).failure) is not None and limit < 100:
        if failure.summary == summary.format(limit=limit):
            return failure
        limit *= 10
    raise AssertionError(failure)


@pytest.mark.parametrize(
    "wait",
    ["threading.Event().wait()", "time.sleep(600)", "subprocess.run(['sleep', '600'])"],
)
def test_a_test_that_hangs_says_where(wait: str, run: Try, tmp_path: Path) -> None:
    text = f"import subprocess, threading, time\nprint('waiting')\ntry:\n    {wait}\n"
    text += "except Exception:\n    pass"
    failure = out_of_time(run, text, "no end after {limit:g} s (test_it.py:4)")
    assert f"    {wait}\n" in failure.details
    assert failure.details.endswith("\nwaiting")


def test_a_test_that_does_not_listen_is_ended(run: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metaapps.filibuster.cli.functional._GRACE", 0.2)
    text = "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    out_of_time(run, text, "no end after {limit:g} s")


def test_what_a_test_leaves_running_is_ended(run: Try, tmp_path: Path) -> None:
    verdict = run(f"import subprocess\nsubprocess.Popen(['sleep', '600'], cwd={str(tmp_path)!r})")
    assert verdict.failure is None
    wait_until(lambda: not processes(tmp_path))


def test_a_test_ends_with_whoever_runs_it(shell: Shell) -> None:
    shell.write("test_waits.py", "import os, time\nos.chdir(os.environ['HERE'])\ntime.sleep(600)")
    runs = (
        "from metaapps.filibuster.cli.functional import functional_test\n"
        "if __name__ == '__main__':\n"
        f"    functional_test('test_waits.py').run('', {{'HERE': {str(shell.directory)!r}}}, 60)"
    )
    shell.write("runs.py", runs)
    root = str(Path(__file__).parents[2])
    with shell.start(sys.executable, "runs.py", PYTHONPATH=root) as process:
        wait_until(lambda: len(processes(shell.directory)) >= 4)
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not processes(shell.directory))


def test_the_warm_process_is_not_ours_to_change(run: Try) -> None:
    before = dict(os.environ)
    assert run("import os; os.environ['X'] = 'y'").failure is None
    assert dict(os.environ) == before


def test_the_warm_process_ends_without_a_word_also_for_those_who_look_for_leaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "default::ResourceWarning")
    path = tmp_path / "test_it.py"
    path.write_text("def test(): pass")
    with functional_test(str(path)) as test:
        assert test.run(header(), {}, 60).failure is None
    assert capfd.readouterr().err == ""


# What is no functional test


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("", "'' is no file and no command"),
        ("nowhere.py", "'nowhere.py' is no file and no command"),
        ("no-such-command --at-all", "is no file and no command"),
        ("'", "No closing quotation"),
        (".", "'.' is no file and no command"),
    ],
)
def test_what_is_no_test_is_refused(spec: str, reason: str) -> None:
    with pytest.raises(FunctionalTestError, match=reason):
        functional_test(spec)


@pytest.mark.parametrize(
    ("text", "reason"),
    [(b"def test(:", r"it\.py:1: "), (b"\xff", r"it\.py:1: "), (b"\0", "null")],
)
def test_a_file_that_is_no_python_is_refused(text: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "it.py"
    path.write_bytes(text)
    with pytest.raises(FunctionalTestError, match=reason):
        functional_test(str(path))


def test_a_test_for_pytest_needs_pytest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "it.py"
    path.write_text("def test(tmp_path): pass")
    monkeypatch.setattr("metaapps.filibuster.cli.style.find_spec", lambda name: None)
    with pytest.raises(TestFileError, match="needs pytest"):
        style_of(path)


# Commands


def test_a_command_passes_with_exit_code_zero(tmp_path: Path) -> None:
    script = tmp_path / "it.sh"
    script.write_text('test "$MINE" = yes && test -n "$BAGGAGE" && echo said && exit $CODE')
    for code, summary in (("0", None), ("3", "exit code 3")):
        more = {"MINE": "yes", "CODE": code}
        with functional_test(f"sh {script}") as test:
            failure = test.run(header(), more, 30).failure
        assert (failure.summary if failure else None) == summary
        assert failure is None or failure.details == "said"


def test_a_command_that_hangs_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    script = tmp_path / "it.sh"
    script.write_text(f"cd {tmp_path}; echo said; sleep 600 & sleep 600; echo never")
    with functional_test(f"sh {script}") as test:
        failure = test.run(header(), {}, 0.5).failure
    assert failure is not None
    assert (failure.summary, failure.details) == ("no end after 0.5 s", "said")
    wait_until(lambda: not processes(tmp_path))


def test_what_can_t_even_begin_says_why(tmp_path: Path) -> None:
    path = tmp_path / "test_it.py"
    path.write_text("def test(): pass")
    with functional_test(str(path)) as test:
        task = Task(test.test, header(), environment(), str(tmp_path / "gone"), 60)
        verdict = test.perform(task)
    assert verdict.failure is not None
    assert verdict.failure.summary == "ended itself with exit code 1"
    assert "FileNotFoundError" in verdict.failure.details


def test_a_command_that_goes_away_fails(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with functional_test(str(program)) as test:
        program.unlink()
        failure = test.run(header(), {}, 30).failure
    assert failure is not None
    assert "No such file or directory" in failure.summary


IN_TURN = {
    "without a loop": "def test(): call('/a'); call('/b'); call('/a')",
    "in one loop": """
        import asyncio
        async def test():
            call('/a')
            await asyncio.sleep(0)
            call('/b')
            call('/a')
        """,
    "in two loops, and between them": """
        import asyncio
        async def acall(path): call(path)
        def test():
            asyncio.run(acall('/a'))
            call('/b')
            asyncio.run(acall('/a'))
        """,
    "in tasks of one loop that wait for their turn": """
        import asyncio
        async def acall(path): call(path)
        def test():
            loop = asyncio.new_event_loop()
            for path in ('/a', '/b', '/a'):
                loop.run_until_complete(loop.create_task(acall(path)))
            loop.close()
        """,
}


@pytest.mark.parametrize("text", IN_TURN.values(), ids=IN_TURN)
def test_calls_have_the_same_names_with_and_without_a_loop(run: Try, text: str) -> None:
    counted = [("GET /a", 1), ("GET /b", 1), ("GET /a", 2)]
    frames = [CallFrame(TEST, "", "", operation, number) for operation, number in counted]
    expected = {child(ROOT.index, frame) for frame in frames}
    assert names_of(run(CALLS + textwrap.dedent(text))) == expected


def test_of_two_tasks_that_start_before_a_loop_only_the_first_goes_on(run: Try) -> None:
    program = """
        import asyncio
        async def acall(path):
            await asyncio.sleep(0)
            call(path)
        def test():
            loop = asyncio.new_event_loop()
            both = [loop.create_task(acall('/a')), loop.create_task(acall('/a'))]
            loop.run_until_complete(asyncio.wait(both))
            loop.close()
        """
    verdict = run(CALLS + textwrap.dedent(program))
    seen = [each for each in decode_observations(verdict.seen) if each.role is Role.CALL]
    assert len({each.index for each in seen}) == 2
    assert not any(each.ambiguous for each in seen)


def names_of(verdict: Verdict) -> set[bytes]:
    assert verdict.failure is None
    return {e.index for e in decode_observations(verdict.seen) if e.role is Role.CALL}
