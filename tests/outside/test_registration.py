"""A meta-application of another distribution works like ours, and beside them.

Its wheel is built and installed for real; services are processes that say `baggage.instrument()`
and no more.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from baggage.boundary import Fault, FaultKind, write_header
from baggage.values import EMPTY
from metaapps.filibuster import lineage
from metaapps.filibuster.coordinator import Coordinator
from metaapps.filibuster.observation import Observation
from metaapps.filibuster.orders import LINEAGE, ORDERS, Orders
from metaapps.filibuster.plan import FAULT_FREE, Plan, PlannedFault
from metaapps.filibuster.wire import decode_observations, encode_lineage, encode_orders
from metaapps.tracing.app import FAULT
from metaapps.tracing.export.file import read

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEY = "outside"
SERVICES = ("price", "stock", "gateway")


def bytes_read(wide: int) -> int:
    """Return what one request of the gateway makes all services read, with its own answer.

    A byte for each answer of price, a hundred for each of stock, ten thousand for the gateway's.
    """
    stock, price = wide + 1, 2 * wide + 1
    return 10_000 + 100 * stock + (price + stock)


EXPECTED = {"blue": bytes_read(1) + bytes_read(2), "green": bytes_read(2) + bytes_read(3)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the distribution's wheel and install it, offline; return where."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("target")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=HERE / "acme_bytes", check=True, capture_output=True)
    (wheel,) = wheels.glob("acme_bytes-*.whl")
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run(
        [*install, "--disable-pip-version-check", "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
    )
    return target


@contextmanager
def deployed(installed: Path, **settings: str) -> Iterator[dict[str, str]]:
    """Run the three services, each a process; yields the environment of whoever asks them."""
    told = ("BAGGAGE", "FILIBUSTER", "TRACING", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    environment |= {"PYTHONPATH": str(installed), **settings}
    with ExitStack() as stack:
        sockets = {name: socket.create_server(("127.0.0.1", 0)) for name in SERVICES}
        for name, listening in sockets.items():
            url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
            environment[f"{name.upper()}_URL"] = url
        for name, listening in sockets.items():
            # A service that ends must refuse connections, so its socket can't stay open here.
            with listening:
                process = stack.enter_context(start(name, environment, listening.fileno()))
            stack.callback(process.kill)
        yield environment


def start(name: str, environment: Mapping[str, str], listening: int) -> subprocess.Popen[bytes]:
    """Start one service, to listen on a descriptor."""
    return subprocess.Popen(
        [sys.executable, "-m", f"tests.outside.services.{name}"],
        cwd=ROOT,
        env={**environment, "SERVICE_FD": str(listening)},
        pass_fds=[listening],
        stderr=subprocess.DEVNULL,
    )


def run(script: str, environment: Mapping[str, str], **settings: str) -> Any:
    """Run a client; return what it says."""
    ran = subprocess.run(
        [sys.executable, "-m", f"tests.outside.services.{script}"],
        cwd=ROOT,
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_it_counts_exactly_for_each_tenant_over_all_services(installed: Path) -> None:
    with deployed(installed) as environment:
        assert run("client", environment)["totals"] == EXPECTED


def test_it_counts_beside_tracing_and_an_injected_fault(installed: Path, tmp_path: Path) -> None:
    traces = tmp_path / "traces.json"
    settings = {"FILIBUSTER_KEY": KEY, "TRACING_FILE": str(traces)}
    with deployed(installed, **settings) as environment:
        totals, _ = ordered("client", environment, FAULT_FREE)
        assert totals == EXPECTED
        assert {span.local.service for span in read(traces)} == {"client", *SERVICES}
        totals, seen = ordered("once", environment, FAULT_FREE)
        assert totals == {"blue": bytes_read(1)}
        asked = next(call for call in seen if (call.source, call.target) == ("gateway", "stock"))
        plan = Plan((PlannedFault(asked.index, Fault(FaultKind.REFUSED), asked.target),))
        totals, seen = ordered("once", environment, plan)
    # Neither stock's answer was read, nor the one that stock would have read of price.
    assert totals == {"blue": bytes_read(1) - 100 - 1}
    # Told twice: in the client's own baggage, and to the coordinator when the client ended.
    hit = {(call.index, call.raised) for call in seen if call.injected is not None}
    assert hit == {(asked.index, "requests.exceptions.ConnectionError")}
    assert [span.tags[FAULT] for span in read(traces) if FAULT in span.tags] == ["refused"]


def test_registered_by_hand_it_counts_in_that_process_alone(installed: Path) -> None:
    with deployed(installed, BAGGAGE_METAAPPS="tracing") as environment:
        assert run("by_hand", environment)["totals"] == {"blue": 10_000}


def ordered(
    script: str, environment: Mapping[str, str], plan: Plan
) -> tuple[Mapping[str, int], list[Observation]]:
    """Run a client under a plan, in orders signed with the run's key; return what was seen too."""
    with Coordinator(KEY.encode()) as coordinator:
        inbox = coordinator.open("outside")
        expires = int(time.time()) + 3600
        orders = Orders("outside", plan, expires, coordinator.address)
        signed = encode_orders(orders, KEY.encode())
        header = write_header(
            EMPTY.with_down({ORDERS: signed, LINEAGE: encode_lineage(lineage.ROOT)})
        )
        said = run(script, environment, BAGGAGE=header)
        inbox.put(decode_observations(bytes.fromhex(value) for value in said["seen"]))
        return said["totals"], [*inbox.settle(60)]
