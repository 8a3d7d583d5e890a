"""Flask's everyday ways to say no."""
from http import HTTPStatus
import http

from flask import Flask, Response, abort as stop, jsonify, make_response
import flask as web

BUSY = 503
app = Flask(__name__)


@app.get("/health-check")
def health_check():
    return "OK"


@app.route("/items/<item>", methods=["GET"])
def item(item):
    if item == "none":
        stop(404)
    if item == "gone":
        web.abort(HTTPStatus.GONE)
    if item == "busy":
        return "busy", BUSY
    if item == "full":
        return jsonify(error="full"), http.HTTPStatus.INSUFFICIENT_STORAGE, {"X-Reason": "full"}
    return jsonify({"item": item})


@app.post("/items")
def create():
    if not web.request.is_json:
        return Response("json please", status=415)
    if web.request.json.get("price") is None:
        return make_response("no price", 422)
    return Response("made", 201)


@app.delete("/items/<item>")
def delete(item):
    answer = make_response(jsonify(error="locked"))
    answer.status_code = 423
    return answer
