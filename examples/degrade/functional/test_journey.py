"""Travellers get the best advice there is; under faults, poorer advice or an apology."""

from __future__ import annotations

import os

import requests

from metaapps.filibuster.assertions import was_fault_injected


def test_travellers_get_advice() -> None:
    response = requests.get(f"{os.environ['JOURNEY_URL']}/journey", timeout=10)
    if was_fault_injected():
        assert response.status_code in (200, 503)
    else:
        assert response.status_code == 200
        assert response.text == "18 minutes by train (12 km)"


if __name__ == "__main__":
    test_travellers_get_advice()
