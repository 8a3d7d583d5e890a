"""Orders that a shop takes at once, and a worker has paid later, by RabbitMQ; with two mistakes.

An answer like 503 of the payments' fails an order for good, though it may come again. What comes
again since the shop was not told is paid again.
"""

from __future__ import annotations

import os
import socket
import threading
from collections import Counter
from typing import Any

import pika
import requests
import waitress
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

import baggage

NAME = os.environ["BAGGAGE_SERVICE"].rstrip("12")
QUEUE = os.environ["ORDERS"]
baggage.instrument(service=NAME)
app = Flask(NAME)
states: dict[str, str] = {}
charges: Counter[str] = Counter()
changed = threading.Condition()


def connected() -> Any:
    channel = pika.BlockingConnection(pika.URLParameters(os.environ["BROKER_URL"])).channel()
    channel.queue_declare(QUEUE)
    channel.basic_qos(prefetch_count=1)
    return channel


def pay(channel: Any, method: Any, properties: object, body: bytes) -> None:
    order = body.decode()
    try:
        paid = requests.post(f"{os.environ['PAYMENTS_URL']}/charges/{order}", timeout=300)
        state = "paid" if paid.ok else "failed"
        told = requests.put(f"{os.environ['SHOP_URL']}/orders/{order}", data=state, timeout=300)
        told.raise_for_status()
    except requests.RequestException:
        channel.basic_nack(method.delivery_tag, requeue=True)
    else:
        channel.basic_ack(method.delivery_tag)


def work() -> None:
    channel = connected()
    channel.basic_consume(QUEUE, pay)
    channel.start_consuming()


@app.get("/health-check")
def health_check() -> ResponseReturnValue:
    return jsonify("OK")


@app.post("/orders/<order>")
def placed(order: str) -> ResponseReturnValue:
    try:
        channel = connected()
        channel.basic_publish("", QUEUE, order.encode())
        channel.connection.close()
    except pika.exceptions.AMQPError:
        return jsonify("try again"), 503
    return jsonify("accepted"), 202


@app.put("/orders/<order>")
def told(order: str) -> ResponseReturnValue:
    with changed:
        states[order] = request.get_data(as_text=True)
        changed.notify_all()
    return jsonify("noted")


@app.get("/orders/<order>")
def outcome(order: str) -> ResponseReturnValue:
    """Wait until an order is paid, or failed."""
    with changed:
        known = changed.wait_for(lambda: order in states, 300)
    return (jsonify(states[order]), 200) if known else (jsonify("unknown"), 504)


@app.post("/charges/<order>")
def charged(order: str) -> ResponseReturnValue:
    charges[order] += 1
    return jsonify("charged")


@app.get("/charges/<order>")
def charged_so_far(order: str) -> ResponseReturnValue:
    return jsonify(charges[order])


if __name__ == "__main__":
    if NAME == "worker":
        threading.Thread(target=work, daemon=True).start()
    listening = socket.socket(fileno=int(os.environ["SERVICE_FD"]))
    waitress.serve(app, sockets=[listening], threads=16)
