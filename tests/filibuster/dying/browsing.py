"""A functional test that is content with any answer, and with none."""

from __future__ import annotations

import os

import requests


def test_browsing() -> None:
    try:
        requests.get(f"{os.environ['SHOP_URL']}/browse", timeout=300)
    except requests.ConnectionError:
        pass
