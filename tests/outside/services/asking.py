"""Ask the gateway for a tenant, and say what came of it."""

import json
import os
import sys

import requests

import baggage
from metaapps.acme_bytes.app import TENANT, totals  # type: ignore[import-untyped]


def ask(tenant: str, wide: int) -> None:
    baggage.pack(TENANT, tenant)
    requests.get(os.environ["GATEWAY_URL"], params={"wide": wide}, timeout=300)


def tell() -> None:
    seen = [value.hex() for value in baggage.unpack("filibuster.seen") if isinstance(value, bytes)]
    json.dump({"totals": totals(), "seen": seen}, sys.stdout)
