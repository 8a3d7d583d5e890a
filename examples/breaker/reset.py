"""Close the breaker that all requests share."""

from __future__ import annotations

import os

import requests

if __name__ == "__main__":
    requests.post(f"{os.environ['HOUSE_URL']}/reset", timeout=10).raise_for_status()
