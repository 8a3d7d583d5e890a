"""The body of a chord has one name, whichever task of its header ends last: it can be failed."""

from __future__ import annotations

from pathlib import Path

from tests.filibuster.brokered import described
from tests.filibuster.conftest import Deployed
from tests.filibuster.shell import Shell

ORDERS = """
import os, requests

def test_an_order_is_taken():
    assert requests.get(os.environ["SHOP_URL"] + "/orders", timeout=300).status_code in (202, 500)
"""


def test_calls_of_a_chords_body_are_failed_and_any_number_of_workers_finds_the_same(
    shell: Shell, deployed: Deployed, tmp_path: Path, redis_url: str
) -> None:
    services = described(tmp_path, "chords", ("shop", "worker", "bank"), redis_url)
    shop = Shell(shell.directory, deployed(services))
    shop.write("test_orders.py", ORDERS)
    exports = []
    for workers in ("1", "8"):
        options = ("--max-faults", "1", "--settle", "60", "--check-interference", "0")
        run = ("run", "--functional-test", "test_orders.py", *options, "--workers", workers)
        ended = shop.filibuster(*run)
        assert (ended.code, ended.err) == (0, ""), ended.out
        assert "warnings" not in ended.out, ended.out
        injected = [line for line in ended.out.splitlines() if "injected" in line]
        assert sum("/bills/" in line for line in injected) == 5
        assert sum("worker → celery bill" in line for line in injected) == 1
        exports.append(shop.filibuster("export").out)
    assert exports[0] == exports[1]
    assert exports[0]
