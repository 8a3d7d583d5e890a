import json

from flask import Flask, Response, current_app, jsonify

from app.errors import BakeryError, OutOfFlour
from app.oven import Oven

oven = Oven(2)


class Refusal(Response):
    def __init__(self, message, status):
        super().__init__(json.dumps({"error": message}), status=status, mimetype="text/json")


def bread():
    oven.bake("bread")
    return "bread"


def cake():
    if oven.full:
        return Refusal("full", 507)
    return current_app.response_class("cake", status=203)


def menu():
    return current_app.make_response(("no menu", 404))


DISHES = {"bread": bread, "cake": cake}


def dish(name):
    if name not in DISHES:
        return f"no {name}", 410
    return DISHES[name]()


def make_app():
    app = Flask(__name__)
    for rule, view in [("/dish/<name>", dish), ("/menu", menu)]:
        app.add_url_rule(rule, view_func=view)

    @app.errorhandler(BakeryError)
    def on_error(error):
        return error.to_response()

    return app
