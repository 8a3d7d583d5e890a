"""Every room has a reading; under faults, perhaps an old one, or none."""

from __future__ import annotations

import os

import requests

from metaapps.filibuster.assertions import was_fault_injected


def test_every_room_has_a_reading() -> None:
    response = requests.get(f"{os.environ['HOUSE_URL']}/readings", timeout=10)
    assert response.status_code == 200
    readings = response.json()
    if was_fault_injected():
        assert readings.keys() == {"hall", "cellar"}
    else:
        assert readings == {"hall": {"watts": 120}, "cellar": {"watts": 40}}


if __name__ == "__main__":
    test_every_room_has_a_reading()
