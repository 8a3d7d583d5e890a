"""What can't be told from the source, or hardly: the analysis is expected to miss some of it."""
import os

import werkzeug.exceptions
from flask import Flask, Response, abort

app = Flask(__name__)
OPTIONS = {"status": 503}
LIMIT_STATUS = int(os.environ.get("LIMIT_STATUS", "429"))


@app.get("/a")
def a():
    return Response("full", **OPTIONS)


@app.get("/b/<name>")
def b(name):
    raise getattr(werkzeug.exceptions, "Gone")()


@app.get("/c")
def c():
    abort(LIMIT_STATUS)


@app.get("/d")
def d():
    response = Response("teapot")
    setattr(response, "status_code", 418)
    return response
