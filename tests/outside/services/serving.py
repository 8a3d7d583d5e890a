"""Serve an application at the socket that the test listens on."""

import os

from flask import Flask
from werkzeug.serving import make_server


def serve(app: Flask) -> None:
    fd = int(os.environ["SERVICE_FD"])
    make_server("127.0.0.1", 0, app, threaded=True, fd=fd).serve_forever()
