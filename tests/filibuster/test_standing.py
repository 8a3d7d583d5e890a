"""Services that end are known to have, are started again, and are given up in the end."""

from __future__ import annotations

import io
import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console

from metaapps.filibuster.cli.report import Report
from metaapps.filibuster.cli.standing import Left, Started
from metaapps.filibuster.observation import Death
from metaapps.filibuster.services import (
    Deployment,
    Service,
    ServicesError,
    start_detached,
    stop_detached,
)
from tests.filibuster.shell import wait_until

# Answers, and ends a while after it was asked to: it listens until then.
SERVER = """
import os, signal, socket, sys, time
if os.path.exists("broken"):
    sys.exit("no database")
listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
print("coming", flush=True)
def end(*_):
    print("going", flush=True)
    time.sleep(0.3)
    os._exit(3)
signal.signal(signal.SIGUSR1, end)
while True:
    connection, _ = listening.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
    connection.close()
"""


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    (tmp_path / "server.py").write_text(SERVER)
    command = ("{python}", "-S", "-E", "server.py")
    return Deployment(tmp_path, (Service("shop", command, {}),))


def pid_of(standing: Started) -> int:
    (process,) = standing._running.processes
    return process.pid


def test_a_service_that_ends_is_started_again_where_it_was_and_given_up_in_the_end(
    deployment: Deployment, tmp_path: Path
) -> None:
    console = io.StringIO()
    started = Started(deployment, "k", tmp_path / "logs", Report(Console(file=console)))
    with ExitStack() as stack:
        stack.callback(started.stop)
        before = dict(started.environment)
        assert started.deaths() == started.suspected() == ()
        written = started.written()
        os.kill(pid_of(started), signal.SIGUSR1)
        (death,) = started.suspected()
        assert death == Death("shop", "exit code 3")
        assert started.last_words(death) == "coming\ngoing"
        assert started.last_words(death, written) == "going"
        assert started.last_words(death, started.written()) == ""
        started.restart(str(death))
        assert started.deaths() == ()
        assert started.environment == before
        assert started.last_words(death, written) == "coming"
        (tmp_path / "broken").touch()
        os.kill(pid_of(started), signal.SIGKILL)
        assert started.wait(60) == (Death("shop", "signal SIGKILL"),)
        for _ in range(2):
            with pytest.raises(
                ServicesError, match=r"can't be started again, in 3 tries: .*'shop'"
            ):
                started.restart("again")
    said = console.getvalue()
    assert said.count("services started again in ") == 1
    assert "service 'shop' ended (exit code 3): starting the services again" in said


def test_a_service_that_was_left_running_is_known_to_have_ended_and_not_started_again(
    deployment: Deployment, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    detached = start_detached(deployment, "k", state)
    try:
        left = Left(detached, state / "logs")
        assert left.deaths() == left.suspected() == ()
        (address,) = left._names
        assert left.name_at(address) == "shop"
        os.kill(detached.services[0].pid, signal.SIGKILL)
        wait_until(left.deaths)
        (death,) = left.deaths()
        assert death.service == "shop"
        assert left.last_words(death) == "coming"
        assert left.last_words(death, left.written()) == ""
        with pytest.raises(ServicesError, match="start them again"):
            left.restart(str(death))
    finally:
        stop_detached(state)
