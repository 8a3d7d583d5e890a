"""Servers that tests share are started again where somebody else has got their port."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from baggage.testing.suite import eventually
from tests.shared_server import Server, joined, port

TAKEN_ONCE = """
echo "$1" >> "$2/tried"
test $(wc -l < "$2/tried") -gt 1 && echo serving && exec sleep 600
exit 1
"""


def server(script: str) -> Server:
    def command(home: Path) -> Sequence[str]:
        return ["/bin/sh", "-c", script, "sh", str(port(home, "test")), str(home)]

    def address(home: Path, said: str) -> str | None:
        return str(port(home, "test")) if "serving" in said else None

    return Server("test", command, address)


def test_a_server_whose_port_is_taken_is_started_at_another(tmp_path: Path) -> None:
    with joined(server(TAKEN_ONCE), tmp_path) as address:
        tried = (tmp_path / "tried").read_text().split()
        assert (len(tried), tried[-1]) == (2, address)
        with joined(server(TAKEN_ONCE), tmp_path) as again:
            assert again == address


def test_a_server_that_never_starts_fails_the_test_with_what_it_said(tmp_path: Path) -> None:
    with (
        pytest.raises(pytest.fail.Exception, match="no room here"),
        joined(server("echo no room here; exit 1"), tmp_path),
    ):
        pass


def test_a_server_ends_with_the_last_who_holds_it_and_who_comes_later_has_another(
    tmp_path: Path,
) -> None:
    pids = set()
    for _ in range(2):
        with joined(server("echo serving $$; exec sleep 600"), tmp_path):
            (pid,) = re.findall(r"serving (\d+)", (tmp_path / "log").read_text())
            os.kill(int(pid), 0)
        eventually(lambda: "the server ended" in (tmp_path / "log").read_text())
        pids.add(pid)
    assert len(pids) == 2
