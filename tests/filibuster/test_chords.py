"""The body of a chord has one name, whichever task of its header ends last: it can be failed."""

from __future__ import annotations

from pathlib import Path

from tests.brokers import unique
from tests.filibuster.conftest import Deployed
from tests.filibuster.shell import Shell

APP = Path(__file__).parent / "chords" / "app.py"
SERVICE = """
[services.{name}]
command = ["{{python}}", "{app}"]
env = {{ REDIS_URL = "{url}", ORDERS = "{queue}" }}
ready = "/health-check"
"""
ORDERS = """
import os, requests

def test_an_order_is_taken():
    assert requests.get(os.environ["SHOP_URL"] + "/orders", timeout=300).status_code in (202, 500)
"""


def test_calls_of_a_chords_body_are_failed_and_any_number_of_workers_finds_the_same(
    shell: Shell, deployed: Deployed, tmp_path: Path, redis_url: str
) -> None:
    file = tmp_path / "services.toml"
    named = {"app": APP, "url": redis_url, "queue": unique("orders")}
    file.write_text(
        "".join(SERVICE.format(name=name, **named) for name in ("shop", "worker", "bank"))
    )
    shop = Shell(shell.directory, deployed(file))
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
