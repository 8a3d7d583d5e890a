"""What a reporter does when processes fork, end, or are patched; each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from tests.instrumentation.real_faults import refusing
from tests.tracing.export.collecting import Collector

BEGINNING = """
import atexit, os, sys, threading, time
from dataclasses import replace
from metaapps.tracing.export.delivery import Retry
from metaapps.tracing.export.encoding import ZIPKIN_JSON
from metaapps.tracing.export.http import HttpSink
from metaapps.tracing.export.reporter import Reporter
from metaapps.tracing.span import Position, Span

def make(**given):
    options = dict(interval=0.005, retry=Retry(first=0.001, longest=0.01)) | given
    return Reporter(HttpSink(sys.argv[1], ZIPKIN_JSON), ZIPKIN_JSON, **options)

def report(*numbers):
    for number in numbers:
        reporter.report(Span(Position.root(b"t" * 16, number.to_bytes(8, "big"))))

def wait_for(child):
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


@contextmanager
def running(
    directory: Path, url: str, script: str, before: str = ""
) -> Iterator[subprocess.Popen[str]]:
    path = directory / "script.py"
    path.write_text(f"{dedent(before)}\n{BEGINNING}\n{dedent(script)}")
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", str(path), url],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a process, and return what it complained of."""
    _, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    return complaints


def run(directory: Path, script: str, before: str = "") -> list[int]:
    """Run a script to its end, and return the ids that its server got."""
    with Collector().serving() as server, running(directory, server.url, script, before) as process:
        assert finish(process) == ""
    return sorted(server.ids)


def test_what_is_left_is_sent_when_the_process_ends(tmp_path: Path) -> None:
    script = """
        reporter = make(interval=1e6)
        report(*range(1, 51))
    """
    assert run(tmp_path, script) == list(range(1, 51))


def test_an_exception_that_ends_the_process_takes_no_spans_along(tmp_path: Path) -> None:
    script = """
        reporter = make(interval=1e6)
        report(1)
        sys.exit(3)
    """
    with Collector().serving() as server, running(tmp_path, server.url, script) as process:
        process.communicate(timeout=300)
    assert (process.returncode, server.ids) == (3, [1])


def test_a_process_ends_without_a_server(tmp_path: Path) -> None:
    """It doesn't go on trying until its attempts are used up, which would take days here."""
    script = """
        reporter = make(interval=1e6, retry=Retry(first=1e5, longest=1e5), leave_within=1e6)
        report(1)
        assert not reporter.flush(0.1)
    """
    with refusing() as url, running(tmp_path, url, script) as process:
        assert "spans are lost, unavailable" in finish(process)


def test_a_process_ends_though_its_server_never_answers(tmp_path: Path) -> None:
    script = """
        reporter = make(leave_within=0.05)
        report(1)
    """
    with Collector().serving() as server:
        server.gate.clear()
        with running(tmp_path, server.url, script) as process:
            assert "spans are lost, closed: the process ends" in finish(process)
            assert server.received == []


def test_spans_reported_while_the_process_ends_can_be_flushed(tmp_path: Path) -> None:
    """Later versions of Python start no threads then."""
    script = """
        reporter = make(interval=1e6)

        def leave():
            report(1)
            assert reporter.flush(60)

        atexit.register(leave)
    """
    assert run(tmp_path, script) == [1]


def test_parent_and_forked_child_each_send_their_own_over_their_own_connection(
    tmp_path: Path,
) -> None:
    script = """
        reporter = make(interval=1e6)
        report(1)
        assert reporter.flush(60)
        report(2, 3)
        child = os.fork()
        if child == 0:
            assert (reporter.sent, reporter.dropped) == (0, {})
            report(101, 102)
            assert reporter.flush(60)
            assert reporter.sent == 2
            report(103)
            sys.exit()
        wait_for(child)
        report(4)
        assert reporter.flush(60)
        assert reporter.sent == 4
    """
    with Collector().serving() as server, running(tmp_path, server.url, script) as process:
        assert finish(process) == ""
    clients: dict[tuple[str, int], list[int]] = defaultdict(list)
    for received in server.received:
        clients[received.client] += received.ids
    assert sorted(clients.values()) == [[1, 2, 3, 4], [101, 102, 103]]


def test_a_child_that_reports_nothing_sends_nothing(tmp_path: Path) -> None:
    script = """
        reporter = make(interval=1e6)
        report(1, 2, 3)
        child = os.fork()
        if child:
            wait_for(child)
    """
    assert run(tmp_path, script) == [1, 2, 3]


def test_a_child_sends_while_its_parent_waits_for_an_answer(tmp_path: Path) -> None:
    script = """
        reporter = make()
        report(1)
        sys.stdin.readline()
        child = os.fork()
        report(2) if child == 0 else wait_for(child)
        if child == 0:
            assert reporter.flush(60)
    """
    with Collector().serving() as server:
        server.gate.clear()
        with running(tmp_path, server.url, script) as process:
            assert server.begun.get(timeout=300).ids == [1]
            assert process.stdin is not None
            process.stdin.write("fork\n")
            process.stdin.flush()
            assert server.begun.get(timeout=300).ids == [2]
            server.gate.set()
            assert finish(process) == ""
    assert sorted(server.ids) == [1, 2]


def test_children_of_busy_threads_find_nothing_locked(tmp_path: Path) -> None:
    script = """
        reporter = make(interval=0.0001, capacity=10**6)
        going = True

        def work(first):
            number = first
            while going:
                report(number)
                number += 1
                time.sleep(0)

        threads = [threading.Thread(target=work, args=(10**6 * each,)) for each in range(1, 4)]
        [thread.start() for thread in threads]
        for number in range(1, 21):
            child = os.fork()
            if child == 0:
                report(number)
                assert reporter.flush(60)
                assert (reporter.sent, reporter.dropped) == (1, {})
                os._exit(0)
            wait_for(child)
        going = False
        [thread.join() for thread in threads]
    """
    ids = run(tmp_path, script)
    assert ids[:20] == list(range(1, 21))
    assert len(ids) == len(set(ids))


def test_the_thread_imports_nothing(tmp_path: Path) -> None:
    """Forked meanwhile, a child would wait for ever for what the parent's thread was importing."""
    script = """
        reporter = make(interval=0.001)
        before = set(sys.modules)
        report(1)
        assert reporter.flush(60)
        report(2)
        assert reporter.close(60)
        assert reporter.sent == 2
        assert set(sys.modules) == before, set(sys.modules) - before
    """
    assert run(tmp_path, script) == [1, 2]


def test_a_reporter_that_was_closed_is_closed_in_children_too(tmp_path: Path) -> None:
    script = """
        reporter = make()
        report(1)
        assert reporter.close(60)
        child = os.fork()
        report(2)
        assert reporter.dropped == {"closed": 1}
        if child:
            wait_for(child)
    """
    assert run(tmp_path, script) == [1]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_by_multiprocessing_send_what_is_left_when_they_end(
    tmp_path: Path, method: str
) -> None:
    script = f"""
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        reporter = make(interval=1e6)

        if __name__ == "__main__":
            report(1)
            started = multiprocessing.get_context("{method}")
            children = [started.Process(target=report, args=(number,)) for number in (2, 3)]
            [child.start() for child in children]
            [child.join() for child in children]
            with ProcessPoolExecutor(2, mp_context=started) as pool:
                list(pool.map(report, range(4, 10)))
    """
    assert run(tmp_path, script) == list(range(1, 10))


GEVENT = "from gevent import monkey; monkey.patch_all()"
EVENTLET = """
    import warnings; warnings.simplefilter("ignore")
    import eventlet; eventlet.monkey_patch()
"""


@pytest.mark.parametrize("before", [GEVENT, EVENTLET], ids=["gevent", "eventlet"])
def test_greenlets_go_on_while_spans_are_sent(tmp_path: Path, before: str) -> None:
    """What is a thread elsewhere is a greenlet here, which must give way to the others."""
    script = """
        reporter = make(capacity=100, interval=0.001)
        report(1)
        deadline = time.monotonic() + 60
        while reporter._queue:
            time.sleep(0.001)
            assert time.monotonic() < deadline
        turns = []
        threads = [threading.Thread(target=turns.append, args=(each,)) for each in range(3)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert turns == [0, 1, 2]
        report(*range(2, 302))
        assert reporter.dropped == {"queue full": 200}
        print("open the gate", flush=True)
        assert reporter.flush(60)
        assert reporter.sent == 101
        assert reporter.close(60)
    """
    with Collector().serving() as server:
        server.gate.clear()
        with running(tmp_path, server.url, script, before) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open the gate\n"
            server.gate.set()
            assert "queue full" in finish(process)
    assert server.ids == list(range(1, 102))


@pytest.mark.parametrize("before", [GEVENT, EVENTLET], ids=["gevent", "eventlet"])
def test_greenlets_have_their_turns_while_many_spans_are_encoded(
    tmp_path: Path, before: str
) -> None:
    script = """
        turns, seen, going = 0, set(), True

        def encode(span):
            seen.add(turns)
            return ZIPKIN_JSON.span(span)

        def turn():
            global turns
            while going:
                turns += 1
                time.sleep(0)

        encoding = replace(ZIPKIN_JSON, span=encode)
        sink = HttpSink(sys.argv[1], encoding)
        reporter = Reporter(sink, encoding, interval=1e6, message_bytes=10**9)
        report(*range(1, 3001))
        turning = threading.Thread(target=turn)
        turning.start()
        assert reporter.flush(60)
        going = False
        turning.join()
        assert len(seen) >= 10, seen
    """
    assert run(tmp_path, script, before) == list(range(1, 3001))


@pytest.mark.parametrize("before", [GEVENT, EVENTLET], ids=["gevent", "eventlet"])
def test_a_child_of_greenlets_sends_its_own(tmp_path: Path, before: str) -> None:
    script = """
        reporter = make(interval=0.01)
        report(1)
        assert reporter.flush(60)
        report(2, 3)
        child = os.fork()
        if child == 0:
            report(101, 102)
            assert reporter.flush(60)
            time.sleep(0.05)
            sys.exit()
        wait_for(child)
        time.sleep(0.05)
        assert reporter.flush(60)
    """
    assert run(tmp_path, script, before) == [1, 2, 3, 101, 102]


def test_no_instrumentation_sees_what_the_reporter_does(tmp_path: Path) -> None:
    script = """
        import http.client, urllib.parse
        import baggage
        from baggage.boundary import Interest, PROCEED

        class Looking:
            name = "looking"

            def __init__(self):
                self.seen = []

            def interest(self, kind, library):
                return Interest.OBSERVE

            def around(self, call):
                self.seen.append(call.library)
                yield PROCEED

        looking = Looking()
        baggage.register(looking)
        baggage.instrument()
        reporter = make(interval=0.001)
        with baggage.attached(baggage.current()):
            baggage.pack("tenant", "acme")
            report(1)
            assert reporter.flush(60)
            report(2)
            assert reporter.close(60)
            assert looking.seen == [], looking.seen
            address = urllib.parse.urlsplit(sys.argv[1])
            connection = http.client.HTTPConnection(address.hostname, address.port)
            connection.request("POST", "/other", b"[]")
            connection.getresponse().read()
            connection.close()
        assert looking.seen == ["http.client"], looking.seen
    """
    with Collector().serving() as server, running(tmp_path, server.url, script) as process:
        assert finish(process) == ""
    *ours, other = server.received
    assert [request.ids for request in ours] == [[1], [2]]
    assert all(request.headers["b3"] == "0" for request in ours)
    assert not any("baggage" in request.headers for request in ours)
    assert "baggage" in other.headers
