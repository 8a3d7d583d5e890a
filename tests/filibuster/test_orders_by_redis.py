"""Entries of a real Redis stream that nobody acknowledged are waited for until they come again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.brokers import patient
from tests.filibuster.brokered import described
from tests.filibuster.conftest import Deployed
from tests.filibuster.shell import Shell

ORDERS = """
import os, requests

def test_an_order_is_taken():
    response = requests.post(os.environ["SHOP_URL"] + "/orders/book", timeout=300)
    assert response.status_code in (202, 500)
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Path:
    names = ("shop", "worker1", "worker2", "bank")
    return described(
        tmp_path_factory.mktemp("streams"), "orders_by_redis", names, patient(redis_url)
    )


@pytest.mark.parametrize("workers", ["1", "3"])
def test_what_is_claimed_again_is_a_delivery_of_its_own_in_each_group(
    shell: Shell, deployed: Deployed, services: Path, workers: str
) -> None:
    shop = Shell(shell.directory, deployed(services))
    shop.write("test_orders.py", ORDERS)
    options = ("--max-faults", "1", "--workers", workers, "--check-interference", "0")
    patience = ("--settle", "300")
    ended = shop.filibuster("run", "--functional-test", "test_orders.py", *options, *patience)
    assert (ended.code, ended.err) == (0, ""), ended.out
    assert ended.totals.ran == 12
    assert "warnings" not in ended.out, ended.out
    for group in ("bills", "mail"):
        # Once for each way in which the first delivery failed.
        assert ended.out.count(f"({group}), delivery 2") == 5
    assert "delivery 3" not in ended.out
