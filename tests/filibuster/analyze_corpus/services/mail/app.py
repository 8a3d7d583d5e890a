"""Threads and commands answer nobody."""
import threading

from flask import Flask, abort
from werkzeug.exceptions import BadGateway, InsufficientStorage

app = Flask(__name__)


def deliver():
    raise BadGateway()


@app.cli.command("clean")
def clean():
    abort(507)


@app.teardown_request
def after(error):
    return "nobody reads this", 505


@app.before_request
def check():
    if closed():
        return "closed", 503


@app.post("/mail")
def mail():
    threading.Thread(target=deliver).start()
    return "accepted", 202


def closed():
    return False
