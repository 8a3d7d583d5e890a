"""Who orders a photo book gets it; whatever fails, nobody pays for a book that isn't there."""

from __future__ import annotations

import os

import requests

from metaapps.filibuster.assertions import was_fault_injected


def test_who_pays_gets_a_book() -> None:
    answer = requests.post(f"{os.environ['DESK_URL']}/books/dunes", timeout=120)
    order = answer.json()
    if not was_fault_injected():
        assert (order["paid"], order["book"]) == (4250, "dock 1")
    assert order["book"] or not order["paid"], f"{order['paid']} cents paid, and there is no book"


if __name__ == "__main__":
    test_who_pays_gets_a_book()
