"""An order goes to the cheapest carrier; under faults to another, or it has to wait."""

from __future__ import annotations

import os

import requests

from metaapps.filibuster.assertions import was_fault_injected


def test_an_order_is_taken() -> None:
    response = requests.post(f"{os.environ['SHOP_URL']}/orders", timeout=10)
    if was_fault_injected():
        assert response.status_code in (201, 503)
    else:
        assert response.status_code == 201
        assert response.text == "ordered, 350 cents"


if __name__ == "__main__":
    test_an_order_is_taken()
