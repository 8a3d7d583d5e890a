"""A service for any WSGI server, with nothing of ours in it but a look at what is carried."""

from __future__ import annotations

import json
import os
import threading

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
