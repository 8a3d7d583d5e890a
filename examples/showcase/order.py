"""Order a photo book each for two customers, at the same time, and say what it took."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

import baggage
from metaapps.meter import TENANT, bill


def order(tenant: str, title: str) -> dict[str, Any]:
    """Order a book for a tenant, in a request of its own."""
    with baggage.attached(baggage.Baggage().set(TENANT, tenant)):
        answer = requests.post(f"{os.environ['DESK_URL']}/books/{title}", timeout=30)
        used = [[use.resource, use.times, use.bytes, use.millijoules] for use in bill()]
        return {"tenant": tenant, "order": answer.json(), "used": used}


if __name__ == "__main__":
    with ThreadPoolExecutor() as pool:
        for done in pool.map(order, ("blue", "green"), ("dunes", "alps")):
            print(json.dumps(done))
