"""The fixture: a test in audit mode, as users write one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.auditing.living import environment

CONFTEST = """
import baggage
import pytest
from baggage.testing import Origin, Reply, audited

@pytest.fixture
def silent():
    baggage.instrument("requests", "threading", service="tests")
    with Origin(lambda _: Reply()).serving() as origin:
        yield origin.url
"""
TESTS = """
import _thread
import threading
from queue import SimpleQueue

import baggage
import requests

def test_nothing_is_found(audited):
    assert audited.findings == ()

def test_a_silent_peer_is_found(audited, silent):
    requests.get(silent)
    [found] = audited.findings
    assert found.problem.value == "silent peer"
    assert found.site.function == "test_a_silent_peer_is_found"

def test_a_hooked_thread_is_a_part_of_the_test(audited):
    seen = []
    baggage.pack("tenant", "blue")
    thread = threading.Thread(target=lambda: seen.append(baggage.unpack("tenant")))
    thread.start()
    thread.join()
    assert seen == [("blue",)]
    assert audited.findings == ()

def test_a_thread_that_nothing_hooks_is_found(audited, silent):
    done = SimpleQueue()
    _thread.start_new_thread(lambda: done.put(requests.get(silent)), ())
    done.get()
    assert "no context" in [found.problem.value for found in audited.findings]

def test_a_branch_that_never_comes_home_fails_the_test(audited):
    baggage.split()

def test_a_branch_that_comes_home_does_not(audited):
    _, theirs = baggage.split()
    baggage.join(theirs)

def test_audit_mode_ends_with_the_test():
    from baggage.runtime import PROCESS
    assert not PROCESS.audits
    assert baggage.unpack("tenant") == ()
"""


def test_a_test_in_audit_mode_sees_its_findings(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TESTS)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env=environment(audit=False),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "7 passed, 1 error" in ran.stdout, ran.stdout + ran.stderr
    assert "ERROR at teardown of test_a_branch_that_never_comes_home" in ran.stdout
    assert f"lost branch: the branch that {tmp_path / 'test_it.py'}:" in ran.stdout
