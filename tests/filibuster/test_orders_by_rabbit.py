"""Filibuster finds what goes wrong only in a consumer, behind a real RabbitMQ."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.brokers import patient
from tests.filibuster.brokered import described
from tests.filibuster.conftest import Deployed
from tests.filibuster.shell import Shell

ORDERS = """
import os, uuid, requests

SHOP, PAYMENTS = os.environ["SHOP_URL"], os.environ["PAYMENTS_URL"]

def test_an_order_is_paid_once():
    order = str(uuid.uuid4())
    taken = requests.post(f"{SHOP}/orders/{order}", timeout=300)
    if taken.status_code == 503:
        return
    assert taken.status_code == 202
    assert requests.get(f"{SHOP}/orders/{order}", timeout=300).json() == "paid"
    assert requests.get(f"{PAYMENTS}/charges/{order}", timeout=300).json() == 1
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory, amqp_url: str) -> Path:
    names = ("shop", "worker1", "worker2", "payments")
    return described(
        tmp_path_factory.mktemp("orders"), "orders_by_rabbit", names, patient(amqp_url)
    )


@pytest.mark.parametrize("workers", ["1", "4"])
def test_orders_that_are_lost_and_orders_that_are_paid_twice_are_found(
    shell: Shell, deployed: Deployed, services: Path, workers: str
) -> None:
    shop = Shell(shell.directory, deployed(services))
    shop.write("test_orders.py", ORDERS)
    options = ("--max-faults", "1", "--workers", workers, "--check-interference", "0")
    patience = ("--settle", "60")
    ended = shop.filibuster("run", "--functional-test", "test_orders.py", *options, *patience)
    assert ended.code == 1, ended.out + ended.err
    assert ended.totals.ran == 12
    failed = ended.failed
    lost = [f"worker → payments POST /charges/{{id}}: {status}" for status in (500, 502, 503)]
    assert failed[:3] == lost
    # The second is the next delivery's.
    paid = "worker → shop PUT /orders/{id} (1st of 2): "
    assert all(plan.startswith(paid) for plan in failed[3:])
    assert len(failed) == 8
    assert "unseen" not in ended.out
    (twice,) = (shop.directory / ".filibuster" / "counterexamples").glob("shop-refused-*.json")
    again = shop.filibuster("replay", str(twice))
    assert "Reproduced" in again.out, again.out + again.err
    assert "delivery 2" in again.out
