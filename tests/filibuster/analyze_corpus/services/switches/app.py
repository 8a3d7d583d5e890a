"""What never happens, for reasons that need values to be followed: expected to be reported."""
from contextlib import contextmanager

from flask import Flask, abort
from werkzeug.exceptions import BadGateway, NotFound

app = Flask(__name__)
MAINTENANCE = False


@contextmanager
def forgiving():
    try:
        yield
    except BadGateway:
        abort(503)


@app.get("/a")
def a():
    if MAINTENANCE:
        abort(423)
    return "open"


@app.get("/b")
def b():
    with forgiving():
        raise BadGateway()
    return "b"


@app.get("/c")
def c():
    try:
        raise NotFound()
    finally:
        return "c after all"
