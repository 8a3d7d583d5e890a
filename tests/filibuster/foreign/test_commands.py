"""`filibuster serve` and `filibuster run --foreign`, as people type them."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from baggage.boundary import Interest, Kind
from metaapps.filibuster import settings
from metaapps.filibuster.app import create
from tests.filibuster.shell import EXAMPLES, FILIBUSTER, Shell, Totals

ALL = str(Path(__file__).parent / "services" / "all.toml")
TUTORIAL = str(EXAMPLES / "tutorial" / "functional" / "test_foo_bar_baz.py")

FAULTS = ["refused", "timeout", "status 500", "status 502", "status 503"]


@pytest.fixture
def taken() -> Iterator[str]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield str(listening.getsockname()[1])


def test_a_foreign_run_finds_the_bug_and_its_replay_line_reproduces_it(shell: Shell) -> None:
    services = ("--services", ALL)
    line = ("--foreign", "--port", "0", *services, "--functional-test", TUTORIAL)
    ended = shell.filibuster("run", *line)
    assert ended.code == 1, ended.out + ended.err
    assert ended.totals == Totals(11, ran=10, pruned=1, remaining=0)
    assert ended.failed == ["foo → bar GET /bar/baz: requests.exceptions.ConnectionError"]
    assert f"filibuster replay counterexample.json --services {ALL} --foreign" in ended.out
    found = json.loads((shell.directory / "counterexample.json").read_text())
    assert found["faults"][0]["call"] == "foo → bar GET /bar/baz"
    again = shell.filibuster("replay", "counterexample.json", *services, "--foreign", "--port", "0")
    assert (again.code, "Reproduced" in again.out) == (1, True), again.out + again.err


def test_a_foreign_run_that_hears_of_no_call_says_what_to_do(shell: Shell) -> None:
    test = shell.write("test_nothing.py", "def test_nothing(): pass\n")
    ended = shell.filibuster("run", "--foreign", "--port", "0", "--functional-test", test)
    assert ended.code == 2
    assert "no service was seen to call another" in ended.err
    assert "tell the original's instrumentation where this run serves" in ended.err


@pytest.mark.parametrize("command", ["run", "serve"])
def test_a_port_in_use_is_one_clear_line(shell: Shell, taken: str, command: str) -> None:
    test = shell.write("test_nothing.py", "def test_nothing(): pass\n")
    options = ("--foreign", "--functional-test", test) if command == "run" else ()
    ended = shell.filibuster(command, "--port", taken, *options)
    assert ended.code == 2
    assert ended.err == (
        f"filibuster: port {taken} on '127.0.0.1' is in use: "
        "end what listens there, or give another --port\n"
    )


@contextmanager
def served(shell: Shell, *options: str) -> Iterator[tuple[str, Popen[str]]]:
    process = shell.start(FILIBUSTER, "serve", "--port", "0", *options)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        yield first.partition(" at ")[2].partition(";")[0], process
    finally:
        process.kill()
        process.communicate()


def tell(url: str, method: str, path: str, /, **told: object) -> dict[str, object]:
    request = urllib.request.Request(url + path, json.dumps(told).encode(), method=method)
    with urllib.request.urlopen(request, timeout=300) as answer:
        return dict(json.loads(answer.read()))


def test_serve_shows_what_services_call_and_sums_it_up(shell: Shell) -> None:
    with served(shell) as (url, process):
        for status in ("200", "200", "503"):
            call = tell(
                url,
                "PUT",
                "/filibuster/create",
                instrumentation_type="invocation",
                source_service_name="foo",
                module="requests",
                method="get",
                args=["5001/bar"],
                metadata={"timeout": 1},
                vclock={"foo": 1},
                execution_index='[["a", 1]]',
            )
            assert set(call) == {"generated_id", "execution_index"}
            number, path = call["generated_id"], "/filibuster/update"
            received = {"instrumentation_type": "request_received", "generated_id": number}
            tell(url, "POST", path, target_service_name="bar", **received)
            complete = {"instrumentation_type": "invocation_complete", "generated_id": number}
            tell(url, "POST", path, return_value={"status_code": status}, **complete)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.splitlines() == [
        "foo → bar GET /bar  200",
        "foo → bar GET /bar  200",
        "foo → bar GET /bar  503",
        "",
        "3 calls in 3 requests from outside",
        f"  foo → bar GET /bar: 200 × 2, 503 × 1; faults to try: {', '.join(FAULTS)}",
    ]


def test_serve_refuses_a_corrupt_analysis_file(shell: Shell) -> None:
    file = shell.write("analysis.json", "{")
    ended = shell.filibuster("serve", "--port", "0", "--analysis-file", file)
    assert (ended.code, ended.err.count("\n")) == (2, 1)


# The original's switches


def test_disabled_instrumentation_takes_part_in_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILIBUSTER_KEY", "key")
    monkeypatch.setenv("FILIBUSTER_URL", "http://127.0.0.1:1")
    assert create().interest(Kind.CLIENT, "requests") is Interest.AROUND
    monkeypatch.setenv("DISABLE_INSTRUMENTATION", "1")
    assert create().interest(Kind.CLIENT, "requests") is Interest.NONE


def test_disabled_communication_leaves_no_server_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILIBUSTER_URL", "http://127.0.0.1:1")
    assert create().server == "http://127.0.0.1:1"
    monkeypatch.setenv("DISABLE_SERVER_COMMUNICATION", "1")
    assert create().server == ""
    assert settings.communication_disabled()
