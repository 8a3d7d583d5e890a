"""stock: asks price, and answers a hundred bytes."""

import os

import requests
from flask import Flask

import baggage
from tests.outside.services.serving import serve

baggage.instrument()
app = Flask("stock")


@app.get("/")
def stock() -> str:
    requests.get(os.environ["PRICE_URL"], timeout=300)
    return "s" * 100


serve(app)
