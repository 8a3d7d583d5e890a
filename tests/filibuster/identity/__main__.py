"""Run the programs that are named; print as JSON what each call of each run was called.

`python -m tests.filibuster.identity RUNS N NAME…`: to each name a list of runs, each of which maps
what a call carried to its index.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack

import baggage
from baggage.boundary import collect
from baggage.context import Branch, attached
from baggage.values import EMPTY
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.coordinator import Coordinator, Inbox
from metaapps.filibuster.index import ROOT
from metaapps.filibuster.lineage import Lineage
from metaapps.filibuster.observation import Observation, Role, open_branches
from metaapps.filibuster.orders import LINEAGE, ORDERS, SEEN, Orders
from metaapps.filibuster.tree import build
from metaapps.filibuster.wire import decode_observations, encode_lineage, encode_orders

KEY = b"a key"


def run(name: str, number: int, coordinator: Coordinator) -> Mapping[str, object]:
    """Run one program once, as one request of a service."""
    from tests.filibuster.identity import programs

    execution = secrets.token_hex(8)
    orders = Orders(execution, expires=int(time.time()) + 600, coordinator=coordinator.address)
    inbox = coordinator.open(execution)
    lineage = Lineage(ROOT, "foo", {"test": 1}, {"test": 1})
    down = {ORDERS: encode_orders(orders, KEY), LINEAGE: encode_lineage(lineage)}
    with attached(Branch(EMPTY.with_down(down), "foo")) as branch:
        program = getattr(programs, name)
        program(number)
        collect(branch)
        inbox.put(decode_observations(branch.unpack(SEEN)))
    return told(inbox, branch)


def told(inbox: Inbox, branch: Branch) -> Mapping[str, object]:
    """Return what was seen, once all branches have ended."""
    until = time.monotonic() + 30
    seen = inbox.settle(0)
    while open_branches(seen) and time.monotonic() < until:
        time.sleep(0.005)
        with attached(branch):
            collect(branch)
        inbox.put(decode_observations(branch.unpack(SEEN)))
        seen = inbox.settle(0)
    tree = build(seen)
    calls = [one for one in seen if one.role is Role.CALL]
    return {
        "calls": {_content(one): one.index.hex() for one in calls},
        "number": len(calls),
        "names": len({one.index for one in calls}),
        "ambiguous": len(tree.ambiguous),
        "open": [str(one.site) for one in open_branches(seen)],
        "findings": [f"{finding.kind.value} {finding.text}" for finding in tree.findings],
    }


def _content(call: Observation) -> str:
    return "" if call.payload is None else call.payload.hex()


def main(runs: str, number: str, *names: str) -> None:
    baggage.instrument(service="foo")
    baggage.register(Filibuster((KEY,)))
    from tests.filibuster.identity import programs
    from tests.filibuster.identity.serving import grpc_server, http_server

    with ExitStack() as stack:
        coordinator, url = stack.enter_context(Coordinator(KEY)), stack.enter_context(http_server())
        address = stack.enter_context(grpc_server()) if any("rpc" in name for name in names) else ""
        programs.reach(url, address)
        told = {
            name: [run(name, int(number), coordinator) for _ in range(int(runs))] for name in names
        }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
