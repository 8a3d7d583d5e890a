"""A decorator turns what goes wrong into answers."""
import functools

import requests
from flask import Flask, abort

app = Flask(__name__)


class Refused(Exception):
    pass


def guarded(view):
    @functools.wraps(view)
    def inner(*args, **kwargs):
        try:
            return view(*args, **kwargs)
        except requests.exceptions.ConnectionError:
            return "unreachable", 502
        except requests.Timeout:
            abort(504)
        except Refused as refused:
            raise RuntimeError("a plain 500") from refused

    return inner


def limited(times):
    def decorate(view):
        @functools.wraps(view)
        def inner(*args, **kwargs):
            if times < 1:
                return "slow down", 429
            return view(*args, **kwargs)

        return inner

    return decorate


@app.get("/a")
@guarded
def a():
    answer = requests.get("http://upstream/a", timeout=1)
    if answer.status_code == 404:
        raise Refused()
    return answer.text


@app.get("/b/<kind>")
@limited(3)
@guarded
def b(kind):
    match kind:
        case "one":
            return "one"
        case "two":
            return "two", 501
        case _:
            return "what?", 400 if kind else 404
