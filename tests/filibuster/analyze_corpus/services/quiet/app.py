"""Nothing here is an error answer, whatever it looks like: 503, abort(404), return "x", 500."""
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import requests
from flask import Flask, abort
from werkzeug.exceptions import NotFound, ServiceUnavailable

if TYPE_CHECKING:
    abort(402)

app = Flask(__name__)
RETRIED = {502, 503, 504}
TIMEOUT = 504
LIMITS = ("requests", 429)


def host():
    return "localhost", 500


def dead():
    raise ServiceUnavailable()


class ServiceUnavailableHere(Exception):
    code = 503


def abort_transaction(code):
    return code


class Transaction:
    def abort(self, code):
        return code


@app.get("/a")
def a():
    name, port = host()
    answer = requests.get(f"http://{name}:{port}/", timeout=TIMEOUT)
    if answer.status_code in RETRIED or answer.status_code == 501:
        return "tried"
    Transaction().abort(409)
    abort_transaction(410)
    return answer.text, 200


@app.get("/b")
def b():
    try:
        abort(404)
    except NotFound:
        pass
    with suppress(ServiceUnavailable):
        raise ServiceUnavailable("never seen")
    try:
        raise ServiceUnavailableHere()
    except ServiceUnavailableHere as error:
        print("failed with", error.code)
    return "fine"


@app.get("/c")
def c():
    fake = requests.Response()
    fake.status_code = 505
    if False:
        abort(406)
    return {"status": 507, "limit": LIMITS[1], "code": fake.status_code}
    abort(416)


@app.get("/d")
def d():
    if os.environ.get("GIVE_UP"):
        os.abort()
    return redirect_to("/a"), 302


def redirect_to(place):
    return place


def main():
    if len(sys.argv) > 1:
        sys.exit(500)
    app.run(port=503)


if __name__ == "__main__":
    main()
