"""Filibuster finds, and fails, what is called behind a service that only passes the baggage on.

The chain is foo → bar → baz → qux; bar has OpenTelemetry, and the others have baggage.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests import npm
from tests.interop.running import BIN, INSTRUMENTED, NODE_PACKAGES, QUIET, SERVICES

FORWARDS = str(SERVICES / "flask_forwards.py")
TEST = """
import os, requests
from metaapps.filibuster.assertions import was_fault_injected

def test_it():
    answer = requests.get(os.environ["FOO_URL"] + "/", timeout=300)
    assert (answer.status_code, answer.text) == (200, "done") or was_fault_injected()
"""


def service(name: str, following: str, *command: str, **environment: str) -> str:
    env = {"NEXT": f"{following.upper()}_URL" if following else "", **environment}
    lines = [
        f"[services.{name}]",
        f"command = {json.dumps(command)}",
        'ready = "/health-check"',
        f"[services.{name}.env]",
        *(f"{key} = {json.dumps(value)}" for key, value in env.items()),
    ]
    return "\n".join(lines)


def explored(directory: Path, bar: str) -> str:
    ours = (str(BIN / "baggage"), "run", "--service")
    runs = ("--", sys.executable, FORWARDS)
    (directory / "services.toml").write_text(
        "\n".join(
            [
                service("foo", "bar", *ours, "foo", *runs),
                bar,
                service("baz", "qux", *ours, "baz", *runs),
                service("qux", "", *ours, "qux", *runs),
            ]
        )
    )
    (directory / "test_it.py").write_text(TEST)
    command = [str(BIN / "filibuster"), "run", "--services", "services.toml", "--verbose"]
    done = subprocess.run(
        [*command, "--functional-test", "test_it.py"],
        cwd=directory,
        env={**os.environ, "COLUMNS": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


FAULTS = ["ConnectionError", "ReadTimeout", "500", "502", "503"]


def check(shown: str) -> None:
    hits = [line for line in shown.splitlines() if "✗ baz → qux" in line]
    for fault in FAULTS:
        assert any(f"{fault} injected" in line for line in hits), fault
    assert any("✗ foo → " in line for line in shown.splitlines())
    assert "stopped because every plan was judged" in shown


def test_what_is_called_behind_a_service_in_javascript_is_found_and_failed(tmp_path: Path) -> None:
    node = {"NODE_PATH": str(npm.modules(*NODE_PACKAGES))}
    bar = service("bar", "baz", "node", str(SERVICES / "node_forwards.js"), **node)
    shown = explored(tmp_path, bar)
    first = shown.partition("Execution 2")[0]
    assert first.count("taken by baz: GET /") == 1
    check(shown)


def test_calls_that_a_service_in_between_repeats_are_told_apart(tmp_path: Path) -> None:
    bar = service("bar", "baz", *INSTRUMENTED, FORWARDS, **QUIET, TIMES="2")
    shown = explored(tmp_path, bar)
    first = shown.partition("Execution 2")[0]
    assert first.count("taken by baz: GET /") == 2
    indices = [line.split()[-3] for line in first.splitlines() if "vclock {baz/" in line]
    assert len(set(indices)) == 2, first
    check(shown)


def test_what_a_propagator_carries_is_found_and_failed_behind_it(tmp_path: Path) -> None:
    propagators = {"OTEL_PROPAGATORS": "tracecontext,baggage,causal_baggage"}
    bar = service("bar", "baz", *INSTRUMENTED, FORWARDS, **QUIET, **propagators)
    shown = explored(tmp_path, bar)
    first = shown.partition("Execution 2")[0]
    assert first.count("taken by baz: GET /") == 1
    check(shown)
