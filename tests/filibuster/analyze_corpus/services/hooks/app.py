"""Error handlers that change what others raise."""
from flask import Flask, abort
from werkzeug.exceptions import Forbidden, HTTPException

app = Flask(__name__)


@app.before_request
def login():
    abort(401)


@app.errorhandler(404)
def hidden(error):
    return "nothing here, ever", 410


@app.errorhandler(HTTPException)
def as_text(error):
    return error.description, error.code


def on_zero(error):
    return "divided", 422


app.register_error_handler(ZeroDivisionError, on_zero)


@app.get("/a")
def a():
    abort(404)


@app.get("/b")
def b():
    raise Forbidden()


@app.get("/c/<int:number>")
def c(number):
    return str(1 // number)
