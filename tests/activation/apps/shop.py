"""A service for any WSGI server, with nothing of ours in it but a look at what is carried."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

app = Flask(__name__)


@app.get("/")
def look() -> str:
    import baggage
    from baggage.runtime import PROCESS

    behind: list[object] = []
    thread = threading.Thread(target=lambda: behind.extend(baggage.unpack("tenant")))
    thread.start()
    thread.join()
    seen = {
        "tenant": [*baggage.unpack("tenant")],
        "behind": behind,
        "service": PROCESS.boundary.policy.service,
        "worker": os.getpid(),
        "green": type(threading.current_thread()).__module__,
    }
    return json.dumps(seen)


def plain(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as a service of no framework, and pack something."""
    import baggage

    baggage.pack("packed", 1)
    seen = {**json.loads(look()), "packed": [*baggage.unpack("packed")]}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(seen).encode()]


def make() -> Callable[..., Any]:
    """Return the service of no framework; instruments the process that loads it."""
    import baggage.auto  # noqa: F401

    return plain
