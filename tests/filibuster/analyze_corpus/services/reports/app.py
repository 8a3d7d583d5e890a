"""Raised again, wrapped, and raised on the way out."""
import logging

from flask import Flask
from werkzeug.exceptions import BadGateway, Gone, NotFound, ServiceUnavailable

app = Flask(__name__)
log = logging.getLogger(__name__)


def load(name):
    if name == "old":
        raise Gone(name)
    if name == "none":
        raise NotFound(name)
    return open(name)


@app.get("/a/<name>")
def a(name):
    try:
        return load(name)
    except NotFound as error:
        raise ServiceUnavailable("wrapped") from error
    except Gone:
        log.exception("a 503 or 404 in a log is no answer")
        raise


@app.get("/b/<name>")
def b(name):
    try:
        page = load(name)
    except (NotFound, Gone):
        page = None
    except OSError as error:
        failure = BadGateway(str(error))
        raise failure
    else:
        return page
    finally:
        log.info("done")
    return "empty"
