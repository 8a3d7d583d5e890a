"""The showcase's functional test, metered: each run adds a line of what it used to a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import requests

import baggage
from metaapps.filibuster.assertions import was_fault_injected
from metaapps.meter import TENANT, bill  # type: ignore[import-untyped]


def test_who_pays_gets_a_book() -> None:
    baggage.set(TENANT, "blue")
    answer = requests.post(f"{os.environ['DESK_URL']}/books/dunes", timeout=300)
    with Path(os.environ["METERED"]).open("a") as lines:
        print(json.dumps({use.resource: use.times for use in bill()}), file=lines)
    order = answer.json()
    assert was_fault_injected() or order["book"] == "dock 1"
    assert order["book"] or not order["paid"]
