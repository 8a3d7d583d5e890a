from flask import Blueprint, abort, make_response

blueprint = Blueprint("api", __name__)


def ready():
    return True


def count(item):
    if not item.isalnum():
        abort(make_response("bad name", 400))
    return len(item)


@blueprint.route("/count/<item>")
def get_count(item):
    number = count(item)
    response = make_response(str(number))
    if number == 0:
        response.status = "410 Gone"
    return response
