"""Order photo books for two customers at the same time, and write down what each of them used."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import requests

import baggage
from metaapps.meter import TENANT, bill

ORDERS = {"blue": ("dunes",), "green": ("alps", "fjords")}


def order(tenant: str) -> dict[str, Any]:
    """Order a tenant's books, one after the other."""
    with baggage.attached(baggage.Baggage().set(TENANT, tenant)):
        url = f"{os.environ['DESK_URL']}/books"
        answers = [requests.post(f"{url}/{title}", timeout=120).json() for title in ORDERS[tenant]]
        used = [{**asdict(use), "millijoules": use.millijoules} for use in bill()]
        return {"tenant": tenant, "answers": answers, "used": used}


if __name__ == "__main__":
    with ThreadPoolExecutor(len(ORDERS)) as pool:
        print(json.dumps(list(pool.map(order, ORDERS)), indent=2))
