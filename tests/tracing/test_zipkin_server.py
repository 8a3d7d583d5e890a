"""A real Zipkin server is given the spans of real services, and shows what was sent."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.tracing.zipkin_server import Zipkin

SPANS = 8  # of four calls, two each
ROLES = ("customer", "shop", "catalog", "prices", "stock")


def test_the_server_is_well(zipkin: Zipkin) -> None:
    assert zipkin.get("/health").json["status"] == "UP"


@pytest.mark.parametrize("encoding", ["json", "proto3"])
def test_it_gives_back_the_very_bytes_that_services_wrote(
    encoding: str, zipkin: Zipkin, tmp_path: Path
) -> None:
    written, kept = _bought(zipkin, secrets.token_hex(6), tmp_path, encoding)
    assert len(written) == SPANS
    assert sorted(_elements(kept)) == sorted(written)


def test_it_finds_who_calls_whom(zipkin: Zipkin, tmp_path: Path) -> None:
    mark = secrets.token_hex(6)
    _bought(zipkin, mark, tmp_path, "json")
    now = time.time_ns() // 1_000_000 + 60_000
    links = zipkin.get(f"/api/v2/dependencies?endTs={now}&lookback=600000").json
    found = [
        (
            link["parent"].removesuffix(mark),
            link["child"].removesuffix(mark),
            link["callCount"],
            link.get("errorCount", 0),
        )
        for link in links
        if link["parent"].endswith(mark)
    ]
    assert sorted(found) == [
        ("catalog-", "prices-", 1, 0),
        ("catalog-", "stock-", 1, 1),
        ("customer-", "shop-", 1, 0),
        ("shop-", "catalog-", 1, 0),
    ]


def _bought(zipkin: Zipkin, mark: str, where: Path, encoding: str) -> tuple[list[bytes], bytes]:
    """Buy an umbrella; return what all services wrote of that to files, and what the server has."""
    told = {"TRACING_URL": zipkin.url, "TRACING_ENCODING": encoding, "TRACING_INTERVAL": "0.02"}
    files = [where / f"{role}.jsonl" for role in ROLES]
    with contextlib.ExitStack() as stack:

        def start(role: str, *urls: str) -> str:
            return stack.enter_context(_serving(role, mark, where, told, *urls))

        catalog = start("catalog", start("prices"), start("stock"))
        shop = start("shop", catalog)
        command = _command("customer", mark, shop)
        environ = _environment("customer", where, told)
        bought = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True)
        assert bought.stdout.decode() == "12 €, NOT_FOUND"
        written = _lines(files)
        (trace_id,) = {json.loads(line)["traceId"] for line in written}
        return written, zipkin.trace(trace_id, spans=SPANS)


def _lines(files: list[Path]) -> list[bytes]:
    """Return all lines, once they are there: servers' spans end after they answered."""
    deadline = time.monotonic() + 60
    while True:
        lines = [line for file in files if file.exists() for line in file.read_bytes().split(b"\n")]
        found = [line for line in lines if line]
        if len(found) >= SPANS or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


@contextlib.contextmanager
def _serving(role: str, mark: str, where: Path, told: dict[str, str], *urls: str) -> Generator[str]:
    process = subprocess.Popen(
        _command(role, mark, *urls),
        stdout=subprocess.PIPE,
        env=_environment(role, where, told),
    )
    with process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def _command(role: str, mark: str, *urls: str) -> list[str]:
    return [sys.executable, "-m", "tests.tracing.shop", role, f"{role}-{mark}", *urls]


def _environment(role: str, where: Path, told: dict[str, str]) -> dict[str, str]:
    return os.environ | told | {"TRACING_FILE": str(where / f"{role}.jsonl")}


def _elements(array: bytes) -> list[bytes]:
    """Return the elements of a JSON array as they are written."""
    text, decoder = array.decode(), json.JSONDecoder()
    elements, at = [], 1
    while at < len(text):
        _, end = decoder.raw_decode(text, at)
        elements.append(text[at:end].encode())
        at = end + 1
    return elements
