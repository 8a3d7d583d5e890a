"""An item that is in stock can be ordered; under faults, the customer may be asked to come back."""

from __future__ import annotations

import os

import requests

from metaapps.filibuster.assertions import was_fault_injected


def test_an_item_in_stock_can_be_ordered() -> None:
    response = requests.post(f"{os.environ['ORDERS_URL']}/orders/kettle", timeout=10)
    if response.status_code != 201:
        assert was_fault_injected()
        assert response.status_code == 503


if __name__ == "__main__":
    test_an_item_in_stock_can_be_ordered()
