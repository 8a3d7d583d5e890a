"""The ferry sails in a light wind; under faults it may also stay, or not know."""

from __future__ import annotations

import os

import requests

from metaapps.filibuster.assertions import was_fault_injected


def test_the_ferry_sails_in_a_light_wind() -> None:
    response = requests.get(f"{os.environ['FERRY_URL']}/departure", timeout=10)
    if was_fault_injected():
        assert response.status_code in (200, 503)
    else:
        assert response.status_code == 200
        assert response.text == "sails"


if __name__ == "__main__":
    test_the_ferry_sails_in_a_light_wind()
