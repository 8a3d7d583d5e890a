"""Failures as values."""
from dataclasses import dataclass
from enum import IntEnum

from flask import Flask, jsonify

app = Flask(__name__)


class Status(IntEnum):
    SOLD_OUT = 409
    CLOSED = 503
    UNUSED = 418


@dataclass
class Failure:
    text: str
    status: int = 400


@dataclass
class Ticket:
    seat: str


def reserve(seat):
    if seat == "Z":
        return Failure("no such seat", 404)
    if seat == "A":
        return Failure("sold out", status=Status.SOLD_OUT)
    return Ticket(seat)


def rendered(result):
    if isinstance(result, Failure):
        return jsonify(error=result.text), result.status
    return jsonify(seat=result.seat), 201


@app.post("/reserve/<seat>")
def view(seat):
    return rendered(reserve(seat))


@app.get("/open")
def is_open():
    return "closed", Status.CLOSED.value
