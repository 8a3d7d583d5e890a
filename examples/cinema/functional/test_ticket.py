"""A ticket for tonight can be bought; under faults, perhaps a dearer one, or none for now."""

from __future__ import annotations

import os

import requests

from metaapps.filibuster.assertions import was_fault_injected


def test_a_ticket_can_be_bought() -> None:
    response = requests.post(f"{os.environ['DESK_URL']}/tickets", timeout=10)
    if was_fault_injected():
        assert response.status_code in (201, 503)
    else:
        assert response.status_code == 201
        assert response.text == "The Long Tide, row 5, seat 11, 9.00 euros"


if __name__ == "__main__":
    test_a_ticket_can_be_bought()
