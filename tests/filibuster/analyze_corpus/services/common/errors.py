"""Shared by services; no service itself."""
from werkzeug.exceptions import HTTPException, ServiceUnavailable


class QuotaExceeded(HTTPException):
    code = 429


class NeverRaised(HTTPException):
    code = 506


def unavailable(what):
    raise ServiceUnavailable(what)
