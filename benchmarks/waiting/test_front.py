"""The functional test of an application that waits."""

from __future__ import annotations

import os

import requests


def test_front() -> None:
    assert requests.get(f"{os.environ['FRONT_URL']}/front", timeout=60).status_code == 200


if __name__ == "__main__":
    test_front()
