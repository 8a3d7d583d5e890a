"""Receipts come by every library that calls."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack

import pytest

from tests.auditing.living import CLIENTS, LEDGER, MIDDLE, PLAIN, environment, living

HTTP = ["requests", "urllib3", "http_client", "httpx", "httpx2", "aiohttp"]


@pytest.mark.parametrize(
    ("stripped", "found", "lend"),
    [
        (None, [], False),
        (("", ""), [], False),
        (("baggage", ""), ["stripped stock"], False),
        (("", "baggage"), ["stripped stock"], False),
        (("", "*"), ["silent peer"], False),
        (None, [], True),
        (("", "*"), ["silent peer"], True),
    ],
)
def test_every_client_reads_what_an_answer_says(
    stripped: tuple[str, str] | None, found: list[str], *, lend: bool
) -> None:
    lost = ["lost branch"] if lend else []
    with ExitStack() as living_on:
        address = living_on.enter_context(living(LEDGER, "stock", lend=lend))
        if stripped is not None:
            address = living_on.enter_context(living(MIDDLE, address, *stripped))
        port = living_on.enter_context(living(PLAIN)).rstrip("/").rpartition(":")[2]
        ran = subprocess.run(
            [sys.executable, str(CLIENTS), f"{address}by/pack", port],
            env=environment(audit=True, lend=lend),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        **{f"by_{name}": found + (lost if found else []) for name in HTTP},
        "grpc": [],
        "grpc that fails": [],
        "grpc.aio": [],
        "grpc, plain": ["silent peer", *lost],
        "grpc, plain, that fails": [],
        "grpc.aio, plain": ["silent peer", *lost],
    }
