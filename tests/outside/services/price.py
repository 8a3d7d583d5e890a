"""price: answers one byte."""

from flask import Flask

import baggage
from tests.outside.services.serving import serve

baggage.instrument()
app = Flask("price")


@app.get("/")
def price() -> str:
    return "9"


serve(app)
