"""Exceptions of werkzeug, and the service's own kinds of them."""
from flask import Flask
from werkzeug import exceptions
from werkzeug.exceptions import Conflict, HTTPException, NotFound, Unauthorized as NoEntry

app = Flask(__name__)


class Taken(Conflict):
    description = "the name is taken"


class Suspended(HTTPException):
    code = 451


class VerySuspended(Suspended):
    pass


class Odd(HTTPException):
    def __init__(self, status):
        super().__init__("odd")
        self.code = status


def find(name):
    if name == "nobody":
        raise NotFound()
    if name == "throttled":
        raise exceptions.TooManyRequests
    return name


@app.get("/optional/<name>")
def optional(name):
    try:
        return find("x" + name)
    except HTTPException:
        return "no such account, and that is fine"


@app.get("/account/<name>")
def account(name):
    if name.startswith("_"):
        raise NoEntry("private")
    try:
        return find(name)
    except NotFound:
        return "nobody"


@app.post("/account/<name>")
def create(name):
    if name == "root":
        raise Taken()
    if name == "evil":
        raise VerySuspended()
    if name == "odd":
        raise Odd(499)
    return name, 201
