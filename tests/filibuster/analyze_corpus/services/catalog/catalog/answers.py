from flask import jsonify

from . import codes
from .codes import MISSING as missing_status


def failure(message, status):
    return jsonify(message=message), status


def missing(what):
    return failure(f"no {what}", missing_status)


def overloaded():
    return failure("too much", codes.OVERLOADED)


def unused():
    return failure("never", 451)
