"""Find a real bug in the tutorial's services, step by step, with the commands that anyone can type.

Every step runs a real command and says what it should come to; if it comes to anything else, the
demo ends with 1 and one line. It works on a copy of the tutorial in a temporary directory.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

TUTORIAL = Path(__file__).absolute().parent
PASSED, FAILED = 0, 1

NAIVE = "functional/test_foo_bar_baz_naive.py"
AWARE = "functional/test_foo_bar_baz.py"
# What a user would copy from a failing build to a machine where it can be looked into.
FOUND = "found.json"
TRACES = "traces.json"
ONE_TRACE = "trace.json"


class UnexpectedError(Exception):
    """A command did not come to what the demo promises."""


@dataclass(frozen=True)
class Shell:
    """Where the demo's commands run, and with what environment."""

    directory: Path
    environment: dict[str, str]

    def run(self, *command: str, code: int = PASSED) -> None:
        """Run a command, with its output where ours goes; raise if its exit code is not `code`."""
        say(f"$ {' '.join(command)}")
        process = subprocess.Popen(command, cwd=self.directory, env=self.environment)
        try:
            process.wait()
        except BaseException:
            end(process)
            raise
        if process.returncode != code:
            raise UnexpectedError(
                f"{' '.join(command)!r} ended with {process.returncode}, not with {code}"
            )

    def explore(self, test: str, *options: str, code: int) -> None:
        """Run `filibuster run` on the services that run at this time."""
        self.run("filibuster", "run", "--functional-test", test, *options, code=code)

    def clean_up(self) -> None:
        """End services that an interrupted or failed step left running."""
        command = ("filibuster", "services", "stop")
        subprocess.run(
            command, cwd=self.directory, env=self.environment, capture_output=True, check=False
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command; the services that it started end with it."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def say(text: str = "") -> None:
    print(text, flush=True)


def main() -> int:
    signal.signal(signal.SIGTERM, stop)
    directory = Path(tempfile.mkdtemp(prefix="filibuster-tutorial-"))
    ignored = shutil.ignore_patterns("__pycache__", ".filibuster", "counterexample.json")
    shutil.copytree(TUTORIAL, directory, dirs_exist_ok=True, ignore=ignored)
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])
    traces = {"TRACING_FILE": str(directory / TRACES)}
    shell = Shell(directory, {**os.environ, **traces, "PATH": path})
    try:
        walk(shell)
    except UnexpectedError as error:
        shell.clean_up()
        print(f"the demo failed: {error}; what it left is in {directory}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shell.clean_up()
        shutil.rmtree(directory, ignore_errors=True)
        print("the demo was interrupted", file=sys.stderr)
        return 130
    return 0


def stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def walk(shell: Shell) -> None:
    say(
        "Three services call one another: foo asks bar, bar asks baz. A functional test asks foo\n"
        'and expects "foo bar baz". One of the services has a bug. This is in a copy:\n'
        f"{shell.directory}\n"
    )
    shell.run("filibuster", "services", "start", "services.toml")
    alone(shell)
    naive(shell)
    replayed(shell)
    aware(shell)
    fixed(shell)
    traced(shell)


def alone(shell: Shell) -> None:
    say("\n1. While nothing fails, the test passes, and the bug stays where it is.\n")
    shell.explore(NAIVE, "--only-initial-execution", code=PASSED)


def naive(shell: Shell) -> None:
    say(
        "\n2. Now let every call between the services fail in every way it can. This test\n"
        "   expects 200 whatever happens, so it fails; the first failure is kept as a\n"
        "   counterexample, which can be replayed alone.\n"
    )
    shell.explore(NAIVE, code=FAILED)
    shutil.copy(shell.directory / "counterexample.json", shell.directory / FOUND)
    shell.explore(NAIVE, "--counterexample-file", FOUND, code=FAILED)


def replayed(shell: Shell) -> None:
    say(
        "\n3. Not every failure is a bug: when baz is down, foo may say so. The second test\n"
        "   knows that, and asks was_fault_injected() before it accepts a 503. Under the very\n"
        "   same faults it passes.\n"
    )
    shell.explore(AWARE, "--counterexample-file", FOUND, code=PASSED)


def aware(shell: Shell) -> None:
    say(
        "\n4. What the second test still fails for is a bug: foo handles a timeout of bar, but\n"
        "   not a refused connection, and answers 500.\n"
    )
    shell.explore(AWARE, code=FAILED)
    shell.run("filibuster", "services", "stop")


def fixed(shell: Shell) -> None:
    say("\n5. In services-fixed.toml foo handles both. Now the test passes, whatever fails.\n")
    shell.explore(AWARE, "--services", "services-fixed.toml", code=PASSED)


def traced(shell: Shell) -> None:
    say(
        f"\n6. TRACING_FILE was set, so the services wrote traces too: {shell.directory / TRACES}\n"
        "   holds Zipkin's JSON, and any Zipkin shows it. One of them, with a fault:\n"
    )
    spans = json.loads((shell.directory / TRACES).read_text(encoding="utf-8"))
    (shell.directory / ONE_TRACE).write_text(json.dumps(failed_trace(spans)), encoding="utf-8")
    shell.run("tracing", "show", ONE_TRACE)


def failed_trace(spans: list[dict[str, object]]) -> list[dict[str, object]]:
    """Return the spans of the first trace that has an injected fault."""
    for span in spans:
        tags = span.get("tags")
        if isinstance(tags, dict) and "fault.injected" in tags:
            return [other for other in spans if other["traceId"] == span["traceId"]]
    raise UnexpectedError(f"no trace in {TRACES} has a fault")


if __name__ == "__main__":
    sys.exit(main())
