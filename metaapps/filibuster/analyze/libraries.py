"""What names of web frameworks, gRPC and HTTP clients mean, by their dotted paths.

Tables and questions about them; nothing of a library is imported. A path is as written in the
service after imports are followed, so that a library's own re-exports count as the same name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from metaapps.filibuster.analyze.values import Library, Value
from metaapps.filibuster.status import GRPC_CODES

TUPLES: Final = frozenset({"flask", "quart", "flask_restful", "flask_restx", "flask_openapi3"})
"""Frameworks where a view may return (body, status)."""

FRAMEWORKS: Final = TUPLES | {
    "aiohttp",
    "bottle",
    "django",
    "falcon",
    "fastapi",
    "http",
    "pyramid",
    "rest_framework",
    "sanic",
    "starlette",
    "tornado",
    "webob",
    "werkzeug",
}

APPLICATIONS: Final = frozenset(
    {"Flask", "Quart", "FastAPI", "Starlette", "Application", "Sanic", "Bottle", "App", "API"}
)

BY_CALL: Final = frozenset(
    {"route", "get", "post", "put", "delete", "patch", "head", "options", "api_route", "view"}
    | {"add_url_rule", "add_route", "add_api_route", "add_view", "add_resource", "endpoint"}
    | {f"add_{verb}" for verb in ("get", "post", "put", "delete", "patch", "head", "options")}
    | {"Route", "APIRoute", "path", "re_path", "url"}
)
"""What makes a function answer requests. A library that isn't known here must be called twice."""

BEFORE: Final = frozenset({"before_request", "before_app_request", "middleware", "websocket"})
AFTER: Final = frozenset({"after_request", "after_app_request"})
DEPENDENCIES: Final = frozenset({"Depends", "Security"})
ON_ERROR: Final = frozenset({"errorhandler", "app_errorhandler", "exception_handler", "exception"})
ADD_ON_ERROR: Final = frozenset({"register_error_handler", "add_exception_handler"})
WIRING: Final = (
    BY_CALL
    | BEFORE
    | AFTER
    | ON_ERROR
    | ADD_ON_ERROR
    | {"register_blueprint", "include_router", "add_routes", "mount"}
)

CALLS_NOTHING_BACK: Final = FRAMEWORKS | {
    "atexit",
    "click",
    "contextlib",
    "dataclasses",
    "functools",
    "logging",
    "multiprocessing",
    "signal",
    "threading",
    "typer",
    "typing",
}
"""Libraries that, given a function, don't call it while the caller waits for its result."""

VIEWS: Final = frozenset(
    {"MethodView", "View", "Resource", "HTTPEndpoint", "RequestHandler", "HTTPMethodView"}
    | {"APIView", "BaseHTTPRequestHandler", "SimpleHTTPRequestHandler"}
)
VIEW_METHOD: Final = re.compile(
    r"(get|post|put|delete|patch|head|options)|dispatch_request|do_[A-Z]+"
)
ANSWERING: Final = frozenset({"set_status", "send_error", "send_response"})
"""Methods of view classes that answer by themselves with the status that is their argument."""

NEVER_FOUND: Final = frozenset(
    {"get_or_404", "first_or_404", "one_or_404", "get_object_or_404", "get_list_or_404"}
)

CONTEXT: Final = Library("grpc.ServicerContext")
RPC_HANDLERS: Final = frozenset(
    f"{request}_{response}_rpc_method_handler"
    for request in ("unary", "stream")
    for response in ("unary", "stream")
)
"""Functions of gRPC that make a handler of a behavior, without generated code."""

_ABORTING: Final = frozenset(
    {"flask", "quart", "werkzeug", "bottle", "flask_restful", "flask_restx", "flask_smorest"}
)
_BY_CLASS_NAME: Final = frozenset(
    {"werkzeug", "aiohttp", "pyramid", "webob", "sanic", "rest_framework", "falcon"}
)
_NAMED: Final[Mapping[str, int]] = {
    **{name.replace("_", "").lower(): status for name, status in HTTPStatus.__members__.items()},
    "badrequestkeyerror": 400,
    "badhost": 400,
    "securityerror": 400,
    "parseerror": 400,
    "validationerror": 400,
    "invalidusage": 400,
    "authenticationfailed": 401,
    "notauthenticated": 401,
    "permissiondenied": 403,
    "notallowed": 405,
    "requesturitoolarge": 414,
    "requestrangenotsatisfiable": 416,
    "throttled": 429,
    "servererror": 500,
}
_WITH_STATUS: Final[Mapping[str, tuple[int, tuple[str, ...]]]] = {
    "fastapi.HTTPException": (0, ("status_code",)),
    "starlette.HTTPException": (0, ("status_code",)),
    "tornado.HTTPError": (0, ("status_code",)),
    "bottle.HTTPError": (0, ("status",)),
    "falcon.HTTPError": (0, ("status",)),
    "sanic.SanicException": (1, ("status_code",)),
    "rest_framework.APIException": (-1, ()),
    "werkzeug.HTTPException": (-1, ()),
    "aiohttp.HTTPException": (-1, ()),
    "quart.HTTPException": (-1, ()),
}
_DJANGO: Final[Mapping[str, int]] = {"Http404": 404, "PermissionDenied": 403}
_RESPONDING: Final = FRAMEWORKS - {"http"}
_RESPONSE: Final = re.compile(
    r"\w*Response(Base|NotFound|Forbidden|BadRequest|NotAllowed|Gone|ServerError)?"
)
_SHORT: Final = frozenset({"json_response", "jsonify", "json", "text", "html"})


def is_abort(callee: Library) -> bool:
    """Tell whether a call of this raises the status that is its first argument."""
    return callee.name == "abort" and callee.root in _ABORTING


def is_http_exception(kind: Library) -> bool:
    """Tell whether this is an exception class that a framework turns into an error answer."""
    return exception_status(kind) is not None or _key(kind) in _WITH_STATUS


def exception_status(kind: Library) -> int | None:
    """Return the status that an exception class always stands for, None if there is none."""
    if kind.path.endswith("()"):
        return None
    if kind.root == "django":
        return _DJANGO.get(kind.name)
    if kind.root not in _BY_CLASS_NAME or not kind.name[:1].isupper():
        return None
    short = kind.name.lower()
    status = _NAMED.get(short) or _NAMED.get(short.removeprefix("http"))
    return status if status is not None and status >= 400 else None


def exception_with(status: int) -> Library:
    """Return the class of what `abort(status)` raises."""
    try:
        name = HTTPStatus(status).name.title().replace("_", "")
    except ValueError:
        name = "HTTPException"
    return Library(f"werkzeug.exceptions.{name}")


def is_response(kind: Library) -> bool:
    """Tell whether this is a class of answers, or a function that makes one."""
    if kind.root not in _RESPONDING or kind.path.endswith("()"):
        return False
    return _RESPONSE.fullmatch(kind.name) is not None or (
        kind.name in _SHORT and kind.root in ("flask", "quart", "aiohttp", "sanic")
    )


def answers(kind: Library) -> bool:
    """Tell whether an instance of this stands for an answer that has a status."""
    return is_response(kind) or is_http_exception(kind)


def status_argument(kind: Library) -> tuple[int, tuple[str, ...]]:
    """Return where a constructor of `answers` takes its status: position (-1: none) and names."""
    if _key(kind) in _WITH_STATUS:
        return _WITH_STATUS[_key(kind)]
    if not is_response(kind) or kind.name == "jsonify":
        return -1, ()
    position = {"aiohttp": -1, "django": 2}.get(kind.root, 1)
    return position, ("status", "status_code")


def fixed_status(kind: Library) -> int | None:
    """Return the status that an instance has unless told otherwise."""
    if is_response(kind):
        suffix = kind.name.partition("Response")[2]
        return _NAMED.get(suffix.lower(), 200) if kind.root == "django" else 200
    return exception_status(kind)


def status_attributes(kind: Library) -> frozenset[str]:
    """Return under which names an instance has its status."""
    if is_response(kind):
        return frozenset({"status", "status_code"})
    if kind.root in ("werkzeug", "quart", "flask", "sanic", "falcon"):
        return frozenset({"code"})
    return frozenset({"status", "status_code"})


def number(path: str) -> int | None:
    """Return what an attribute of the standard library or a framework is as a status."""
    head, _, name = path.rpartition(".")
    if head in ("http.HTTPStatus", "http.client") and name in HTTPStatus.__members__:
        return HTTPStatus[name].value
    if head.endswith("status") and (found := re.fullmatch(r"HTTP_(\d{3})(_[A-Z_0-9]+)?", name)):
        return int(found[1])
    if head == "requests.codes":
        return _NAMED.get(name.replace("_", "").lower())
    if name in ("code", "status_code") and head:
        return exception_status(Library(head))
    return None


def grpc_code(value: Value) -> str | None:
    """Return the name of a gRPC status code."""
    if not isinstance(value, Library) or value.name not in GRPC_CODES:
        return None
    of = value.path.rpartition(".")[0]
    return value.name if of.endswith(("StatusCode", "code_pb2")) else None


def is_servicer(kind: Library) -> bool:
    """Tell whether this is the generated base class of a gRPC service."""
    return kind.name.endswith("Servicer")


def _key(kind: Library) -> str:
    return f"{kind.root}.{kind.name}"
