"""The launcher starts real processes, has them find one another, and leaves none behind."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import pytest

from metaapps.filibuster.services import (
    Deployment,
    Running,
    ServicesError,
    load,
    start,
    start_detached,
    status,
    stop_detached,
)
from metaapps.filibuster.services import supervisor as supervising
from metaapps.filibuster.services.process import Process

pytestmark = pytest.mark.skipif(
    shutil.which("ps") is None, reason="no ps to look at processes with"
)

# The smallest service: answers every request with its environment, at STATUS.
SERVER = """
import json, os, socket, sys
listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
while True:
    connection, _ = listening.accept()
    request = connection.recv(65536)
    body = json.dumps({**os.environ, "ARGV": sys.argv, "GOT": request.decode()}).encode()
    status = os.environ.get("STATUS", "200").encode()
    head = b"HTTP/1.0 %s x\\r\\nContent-Length: %d\\r\\n\\r\\n" % (status, len(body))
    connection.sendall(head + body)
    connection.close()
"""

LAUNCHER = """
import os, signal, sys, time
for number in (signal.SIGINT, signal.SIGHUP):  # whatever nohup or a shell made of them
    signal.signal(number, signal.default_int_handler if number == 2 else signal.SIG_DFL)
from metaapps.filibuster.services import load, start, start_detached
if sys.argv[1] == "detach":
    start_detached(load("services.toml"), "the key", ".filibuster")
    sys.exit()
with start(load("services.toml"), "the key", "logs") as running:
    if sys.argv[1] == "fork" and os.fork() == 0:
        time.sleep(600)
    print(running.supervisor.pid, flush=True)
    time.sleep(600)
"""

GRPC = """
import os, time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
import grpc
os.close(int(os.environ["SERVICE_FD"]))
time.sleep(0.3)
server = grpc.server(ThreadPoolExecutor(1))
server.add_insecure_port(urlsplit(os.environ["FOO_URL"]).netloc)
server.start()
server.wait_for_termination()
"""

Write = Callable[..., Deployment]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write services: a script each, with the lines of TOML that come with it."""

    def write(**services: tuple[str, str]) -> Deployment:
        text = ""
        for name, (script, toml) in services.items():
            (tmp_path / f"{name}.py").write_text(script)
            command = '["{python}", "%s", "{fd}", "{port}"]' % (tmp_path / f"{name}.py")
            text += f"[services.{name}]\ncommand = {command}\n{toml}\n"
        (tmp_path / "services.toml").write_text(text)
        return load(tmp_path / "services.toml")

    return write


@pytest.fixture
def two(write: Write) -> Deployment:
    return write(foo=(SERVER, ""), bar=(SERVER, ""))


@pytest.fixture(autouse=True)
def _none_left(tmp_path: Path) -> Iterator[None]:
    """Whatever a test does, no process of its services may outlive it for long."""
    yield
    try:
        wait_until(lambda: not processes(tmp_path))
    finally:
        for pid in processes(tmp_path):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def processes(directory: Path) -> list[int]:
    """Return the processes whose command line names something in the directory."""
    rows = subprocess.run(
        ["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [int(row.split()[0]) for row in rows if f"{directory}/" in row]


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def get(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=300) as response:
        answer: dict[str, str] = json.load(response)
    return answer


def launch(mode: str, directory: Path) -> subprocess.Popen[str]:
    here = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, mode],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(here)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


# Reading services.toml


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        ("", "no services"),
        ("services = 3", "no services"),
        ("[services]", "no services"),
        ("[services.a]\ncommand = [", "is not TOML: Invalid value (at end of document)"),
        ("[services.a\n", "at line 1, column 12"),
        ("[service.a]\ncommand = 'true'", "unknown key 'service' in the top level"),
        ("[services.a]\ncommand = 'true'\ncmd = 1", "unknown key 'cmd' in [services.a]"),
        ("[services.a]", "[services.a] needs a command"),
        ("[services.a]\ncommand = []", "[services.a] needs a command"),
        ("[services.a]\ncommand = [1]", "[services.a] needs a command"),
        ("[services.a]\ncommand = 'x \"'", "cannot split the command in [services.a]"),
        ("[services.a]\ncommand = 'no-such-program-anywhere'", "'no-such-program-anywhere'"),
        ("[services.a]\ncommand = './a.sh'", "command './a.sh' in [services.a] is not found"),
        ("[services.a]\ncommand = 'true'\nenv = { A = 1 }", "env in [services.a]"),
        ("[services.a]\ncommand = 'true'\nready = 'health'", "ready in [services.a]"),
        ("[services.a]\ncommand = 'true'\nready = true", "or false, not True"),
        ("[services.a]\ncommand = 'true'\nsays = 1", "says in [services.a] must be a text"),
        ("[services.a]\ncommand = 'true'\nready = '/'\nsays = 'a'", "leave one of both out"),
        ("[services.a]\ncommand = 'true'\ninstrument = 1", "instrument in [services.a]"),
        ("instrument = 'a'\n[services.a]\ncommand = 'true'", "instrument in the top level"),
        ("[services]\na = 3", "[services.a] is no table"),
        ("[services.'a b']\ncommand = 'true'", "'a b' is no name"),
        ("[services]\na-b.command='true'\na_b.command='true'", "would share the variable A_B_URL"),
    ],
)
def test_a_wrong_file_is_one_clear_line(toml: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "services.toml"
    path.write_text(toml)
    with pytest.raises(ServicesError) as caught:
        load(path)
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServicesError, match=r"nowhere\.toml': No such file"):
        load(tmp_path / "nowhere.toml")


def test_a_command_is_a_string_or_a_list_and_only_placeholders_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "services.toml"
    path.write_text(
        "[services.a]\ncommand = '{python} \"x y\" {port}'\n"
        "[services.b]\ncommand = ['true', '--fd={fd}', '{\"json\": {}}', '{other}']\n"
    )
    a, b = load(path).services
    assert a.arguments(fd=3, port=80) == [sys.executable, "x y", "80"]
    assert b.arguments(fd=3, port=80) == ["true", "--fd=3", '{"json": {}}', "{other}"]


def test_a_service_is_instrumented_if_it_or_all_shall_be(tmp_path: Path) -> None:
    path = tmp_path / "services.toml"
    services = "[services.a]\ncommand='true'\n[services.b]\ncommand='true'\ninstrument={own}\n"
    for text, expected in (
        (services.format(own="true"), [False, True]),
        ("instrument = true\n" + services.format(own="false"), [True, False]),
    ):
        path.write_text(text)
        commands = [service.arguments(fd=3, port=80) for service in load(path).services]
        assert [command[-1] for command in commands] == ["true", "true"]
        assert ["baggage" in command for command in commands] == expected


def test_a_program_with_a_slash_is_looked_up_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "services.toml").write_text("[services.a]\ncommand = './run.sh'\n")
    assert load(tmp_path / "services.toml").services[0].command == ("./run.sh",)


# Starting and stopping


def test_every_service_finds_all_others_itself_and_the_key(two: Deployment, tmp_path: Path) -> None:
    with start(two, "the key", tmp_path / "logs") as running:
        seen = {name: get(running.environment[f"{name.upper()}_URL"]) for name in ("foo", "bar")}
    for name, environment in seen.items():
        assert environment["BAGGAGE_SERVICE"] == name
        assert environment["FILIBUSTER_KEY"] == "the key"
        assert {k: environment[k] for k in running.environment} == dict(running.environment)
        assert environment["ARGV"][1] == environment["SERVICE_FD"]
        port = running.environment[f"{name.upper()}_URL"].rpartition(":")[2]
        assert environment["ARGV"][2] == port


@pytest.fixture
def crowded() -> Iterator[None]:
    """Take all numbers of files below 1024, beyond which select() refuses them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while taken[-1] < 1024:
            taken.append(os.dup(taken[0]))
        yield
    finally:
        for file in taken:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("crowded")
def test_services_run_for_a_process_with_a_thousand_open_files(
    two: Deployment, tmp_path: Path
) -> None:
    with start(two, "the key", tmp_path / "logs") as running:
        assert get(running.environment["FOO_URL"])["BAGGAGE_SERVICE"] == "foo"


def test_a_services_own_environment_is_added(write: Write, tmp_path: Path) -> None:
    foo = write(**{"the-foo": (SERVER, 'env = { FEATURE = "on" }')})
    with start(foo, "k", tmp_path) as running:
        assert get(running.environment["THE_FOO_URL"])["FEATURE"] == "on"


def test_a_service_may_call_one_that_starts_after_it(write: Write, tmp_path: Path) -> None:
    early = "import os, urllib.request\nurllib.request.urlopen(os.environ['LATE_URL'])\n" + SERVER
    with start(write(early=(early, ""), late=(SERVER, "")), "k", tmp_path) as running:
        assert get(running.environment["EARLY_URL"])


def test_readiness_is_asked_for_at_the_path_given(write: Write, tmp_path: Path) -> None:
    first = SERVER.replace("    body =", "    print(request)\n    body =")
    foo = write(foo=(first, 'ready = "/health?deep=1"'))
    with start(foo, "k", tmp_path / "logs"):
        pass
    assert "GET /health?deep=1 HTTP" in (tmp_path / "logs" / "foo.log").read_text()


def test_without_a_path_any_answer_will_do(write: Write, tmp_path: Path) -> None:
    with start(write(foo=(SERVER, 'env = { STATUS = "500" }')), "k", tmp_path) as running:
        assert not running.ended()


def test_without_a_path_an_answer_by_grpc_will_do(write: Write, tmp_path: Path) -> None:
    with start(write(foo=(GRPC, "")), "k", tmp_path) as running:
        assert not running.ended()
        address = urlsplit(running.environment["FOO_URL"]).netloc
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(300)


SAYS = """
import os, time
os.close(int(os.environ["SERVICE_FD"]))
print("it is ready.")
time.sleep(99)
"""


@pytest.mark.parametrize("options", ['says = "ready."', "ready = false"])
def test_a_service_that_serves_nothing_gets_ready(
    write: Write, tmp_path: Path, options: str
) -> None:
    with start(write(worker=(SAYS, options)), "k", tmp_path / "logs") as running:
        assert not running.ended()
    assert not options.startswith("says") or "ready." in (tmp_path / "logs/worker.log").read_text()


def test_a_service_that_does_not_say_it_is_ready_is_told(write: Write, tmp_path: Path) -> None:
    worker = write(worker=(SAYS, 'says = "listening"'))
    with pytest.raises(ServicesError, match=r"'worker' did not say 'listening' within 0\.5 s"):
        start(worker, "k", tmp_path / "logs", ready_within=0.5)


def test_with_a_path_an_answer_of_500_will_not_do(write: Write, tmp_path: Path) -> None:
    foo = write(foo=(SERVER, 'ready = "/x"\nenv = { STATUS = "500" }'))
    expected = (
        r"'foo' did not answer GET /x with a status below 500 within 0\.5 s; it wrote nothing"
    )
    with pytest.raises(ServicesError, match=expected):
        start(foo, "k", tmp_path / "logs", ready_within=0.5)


def test_a_service_that_ends_early_is_told_with_its_last_words(
    write: Write, tmp_path: Path
) -> None:
    words = "print(*range(100), sep='\\n'); raise SystemExit('no database')"
    with pytest.raises(ServicesError) as caught:
        start(write(good=(SERVER, ""), bad=(words, "")), "k", tmp_path / "logs")
    message = str(caught.value)
    assert message.startswith("service 'bad' ended with exit code 1 before it was ready")
    assert message.endswith("  99\n  no database")
    assert "\n  79\n" not in message


def test_last_words_leave_the_colours_of_a_terminal_out(write: Write, tmp_path: Path) -> None:
    words = r"raise SystemExit('\x1b[2J\x1b[35m\x1b[1mno [2] \x1b[0mdatabase')"
    with pytest.raises(ServicesError) as caught:
        start(write(bad=(words, "")), "k", tmp_path / "logs")
    assert str(caught.value).endswith("  no [2] database")


def test_a_service_that_is_killed_early_is_told_with_its_signal(
    write: Write, tmp_path: Path
) -> None:
    with pytest.raises(ServicesError, match="ended with signal SIGKILL"):
        start(write(bad=("import os; os.kill(os.getpid(), 9)", "")), "k", tmp_path)


def test_a_program_that_vanished_is_told(write: Write, tmp_path: Path) -> None:
    program = tmp_path / "run.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "services.toml").write_text("[services.a]\ncommand = './run.sh'\n")
    deployment = load(tmp_path / "services.toml")
    program.unlink()
    with pytest.raises(ServicesError, match=r"cannot start service 'a': .*No such file"):
        start(deployment, "k", tmp_path)


def test_a_service_that_ends_later_is_told_and_refuses_connections(
    two: Deployment, tmp_path: Path
) -> None:
    with start(two, "k", tmp_path / "logs") as running:
        (foo,) = (process for process in running.processes if process.name == "foo")
        os.kill(foo.pid, signal.SIGTERM)
        wait_until(lambda: dict(running.ended()) == {"foo": "signal SIGTERM"})
        with pytest.raises(urllib.error.URLError, match="refused"):
            get(running.environment["FOO_URL"])
        assert get(running.environment["BAR_URL"])


def test_stopping_ends_what_a_service_started_and_what_ignores_sigterm(
    write: Write, tmp_path: Path
) -> None:
    stubborn = (
        "import signal, subprocess, sys\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', {__file__!r},\n"
        f"                  {str(tmp_path)!r} + '/child'])\n"
    )
    with start(write(foo=(stubborn + SERVER, "")), "k", tmp_path):
        assert len(processes(tmp_path)) == 2
    assert processes(tmp_path) == []


def test_stopping_ends_the_children_of_a_service_that_has_ended(
    write: Write, tmp_path: Path
) -> None:
    parent = SERVER.replace(
        "while True:",
        f"""
import subprocess, threading
sleep = "import time; time.sleep(600)"
subprocess.Popen([sys.executable, "-c", sleep, {str(tmp_path)!r} + "/child"])
while True:""",
    ).replace("    connection.close()", "    connection.close(); sys.exit(3)")
    with start(write(foo=(parent, "")), "k", tmp_path) as running:
        wait_until(lambda: dict(running.ended()) == {"foo": "exit code 3"})
        assert len(processes(tmp_path)) == 1
    assert processes(tmp_path) == []


def test_stopping_twice_is_harmless(two: Deployment, tmp_path: Path) -> None:
    running = start(two, "k", tmp_path)
    running.stop()
    running.stop()
    assert not running.ended()
    assert not running.supervisor.running


def test_an_exception_ends_the_services(two: Deployment, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), start(two, "k", tmp_path):
        raise KeyboardInterrupt
    assert processes(tmp_path) == []


@pytest.mark.parametrize("mode", ["plain", "fork"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_process_outlives_the_launcher_however_it_ends(
    mode: str, number: signal.Signals, two: Deployment, tmp_path: Path
) -> None:
    with launch(mode, tmp_path) as launcher:
        assert launcher.stdout is not None
        supervisor = Process.of("supervisor", int(launcher.stdout.readline()))
        assert supervisor.running
        assert len(processes(tmp_path)) == len(two.services)
        children = _children(launcher.pid) - {supervisor.pid}
        launcher.send_signal(number)
        try:
            wait_until(lambda: not processes(tmp_path) and not supervisor.running)
        finally:
            for child in children:
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)


def _children(pid: int) -> set[int]:
    rows = subprocess.run(
        ["ps", "-axo", "ppid=,pid="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return {int(row.split()[1]) for row in rows if row.split()[0] == str(pid)}


def test_a_supervisor_ends_whose_launcher_was_gone_before_it_ran() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    command = [sys.executable, "-I", "-S", supervising.__file__, str(gone.pid)]
    # The input stays open, as where a forked child of the launcher holds it.
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as started:
        assert started.stdin is not None
        started.stdin.write(b"[]\n")
        started.stdin.flush()
        assert started.wait(60) == 0


def test_no_process_is_left_if_the_supervisor_is_killed(two: Deployment, tmp_path: Path) -> None:
    running = start(two, "k", tmp_path)
    os.kill(running.supervisor.pid, signal.SIGKILL)
    with pytest.raises(ServicesError, match="supervisor ended"):
        wait_until(lambda: bool(running.ended()))
    running.stop()
    assert processes(tmp_path) == []


def test_two_deployments_run_at_once(write: Write, tmp_path: Path) -> None:
    deployment = write(foo=(SERVER, ""))

    def run(key: str) -> Running:
        return start(deployment, key, tmp_path / key)

    with run("a") as a, run("b") as b:
        assert get(a.environment["FOO_URL"])["FILIBUSTER_KEY"] == "a"
        assert get(b.environment["FOO_URL"])["FILIBUSTER_KEY"] == "b"


# Detached


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / ".filibuster"
    stop_detached(tmp_path / ".filibuster")


def test_detached_services_outlive_the_process_that_started_them(
    two: Deployment, state: Path, tmp_path: Path
) -> None:
    with launch("detach", tmp_path) as launcher:
        assert launcher.wait() == 0
    services = status(state)
    assert services is not None
    assert services.key == "the key"
    assert [process.name for process in services.services] == [s.name for s in two.services]
    assert get(services.environment["FOO_URL"])["FILIBUSTER_KEY"] == "the key"
    assert (state / "logs" / "foo.log").exists()
    assert stop_detached(state) == services
    assert processes(tmp_path) == []
    assert not services.running
    assert status(state) is None


def test_what_runs_is_for_the_owners_eyes_only(two: Deployment, state: Path) -> None:
    services = start_detached(two, "the key", state)
    assert (state / "services.json").stat().st_mode & 0o777 == 0o600
    assert "the key" not in repr(services)


def test_starting_twice_says_that_they_run_already(two: Deployment, state: Path) -> None:
    first = start_detached(two, "k", state)
    with pytest.raises(ServicesError, match="run already"):
        start_detached(two, "k", state)
    assert status(state) == first


def test_of_many_that_start_at_once_one_does(two: Deployment, state: Path) -> None:
    def attempt(_: int) -> str:
        try:
            start_detached(two, "k", state)
        except ServicesError as error:
            return "run already" if "run already" in str(error) else str(error)
        return "started"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == ["run already"] * 3 + ["started"]


def test_services_that_have_ended_are_forgotten(two: Deployment, state: Path) -> None:
    services = start_detached(two, "k", state)
    for process in (services.supervisor, *services.services):
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not services.running)
    assert status(state) is None
    assert not (state / "services.json").exists()
    assert start_detached(two, "k", state).running


def test_stopping_works_without_the_supervisor(
    two: Deployment, state: Path, tmp_path: Path
) -> None:
    services = start_detached(two, "k", state)
    os.kill(services.supervisor.pid, signal.SIGKILL)
    assert stop_detached(state) is not None
    assert processes(tmp_path) == []


def test_two_directories_have_services_of_their_own(two: Deployment, tmp_path: Path) -> None:
    a = start_detached(two, "a", tmp_path / "a")
    try:
        b = start_detached(two, "b", tmp_path / "b")
        assert stop_detached(tmp_path / "b") == b
        assert get(a.environment["FOO_URL"])["FILIBUSTER_KEY"] == "a"
    finally:
        assert stop_detached(tmp_path / "a") == a


def test_a_failed_start_leaves_no_state(write: Write, state: Path) -> None:
    with pytest.raises(ServicesError, match="no database"):
        start_detached(write(bad=("raise SystemExit('no database')", "")), "k", state)
    assert status(state) is None


def test_nothing_runs_where_nothing_was_started(tmp_path: Path) -> None:
    assert status(tmp_path / "nowhere") is None
    assert stop_detached(tmp_path / "nowhere") is None
    assert not (tmp_path / "nowhere").exists()


def test_a_state_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "services.json").write_text("{}")
    with pytest.raises(ServicesError, match=r"cannot read .*services\.json"):
        status(tmp_path)


def test_a_later_process_with_the_same_pid_is_not_taken_for_the_first() -> None:
    this = Process.of("this", os.getpid())
    assert this.running
    assert not Process("this", this.pid, this.started + "0").running
