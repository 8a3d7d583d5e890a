"""A service of Flask and requests that packs, in threads too, and passes each request on."""

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import requests
from flask import Flask, request
from werkzeug.serving import make_server

import baggage

if "ANSWERS" in os.environ:
    from opentelemetry.instrumentation.propagators import set_global_response_propagator

    from baggage.opentelemetry import CausalBaggageResponsePropagator

    set_global_response_propagator(CausalBaggageResponsePropagator())  # type: ignore[no-untyped-call]

app = Flask(__name__)
pool = ThreadPoolExecutor(2)


def seen(where: str) -> None:
    for tenant in baggage.unpack("tenant"):
        baggage.pack("seen", f"{tenant!s} by a {where}")


@app.get("/")
def forward() -> str:
    baggage.pack("hops", "flask")
    thread = Thread(target=seen, args=("thread",))
    thread.start()
    thread.join()
    pool.submit(seen, "pool").result()
    return requests.get(request.args["to"], timeout=300).text


server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)  # noqa: T201
server.serve_forever()
