"""The format of analysis files as a JSON schema (draft 2020-12), for people and for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from metaapps.filibuster.catalogue.analysis_file import KINDS
from metaapps.filibuster.catalogue.expression import PREFIX
from metaapps.filibuster.catalogue.rule import MOST_ATTEMPTS
from metaapps.filibuster.catalogue.wording import EDIT, LEAST_SECONDS, MOST_SECONDS, NEVER_LATE
from metaapps.filibuster.status import GRPC_CODES

_TEXT: Final = {"type": "string", "minLength": 1}
_PATTERN: Final = {**_TEXT, "format": "regex"}
_SERVICE: Final = {
    **_PATTERN,
    "description": 'Matched at the start of the called service\'s name; ".*" is every service.',
}
_STATUS: Final = {
    "description": "An HTTP status.",
    "anyOf": [
        {"type": "string", "pattern": "^[1-5][0-9][0-9]$"},
        {"type": "integer", "minimum": 100, "maximum": 599},
    ],
}
_EXPRESSION: Final = {"type": "string", "pattern": rf"^{PREFIX}\("}
_CODE: Final = {"description": "A gRPC code.", "enum": [*GRPC_CODES[1:]]}
_METADATA: Final = {
    "type": "object",
    "properties": {
        "code": _CODE,
        "sleep": {
            "description": "Seconds before the exception, or an expression over the call's "
            "metadata: @expr(metadata['timeout'])+0.001.",
            "anyOf": [{"type": "number", "minimum": 0}, _EXPRESSION],
        },
        "abort": {"description": "False: make the call first.", "anyOf": [{"type": "boolean"}]},
    },
    "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
}
_RESTRICTIONS: Final = {
    **_TEXT,
    "description": '"timeout": only calls that set a timeout. What isn\'t known fits no call.',
}
_ATTEMPTS: Final = {
    "type": "integer",
    "minimum": 1,
    "maximum": MOST_ATTEMPTS,
    "description": "So many attempts at a call fail, from the first one on.",
    "$comment": "Not in the original's format.",
}
_AFTER: Final = {
    "type": "string",
    "pattern": r"^\s*[^\s→>]+\s*(→|->)\s*[^\s→>]+(\s[^→>]*)?$",
    "description": 'Only once such a call succeeded: "foo→bar GET /items"; "*" is any text.',
    "$comment": "Not in the original's format.",
}
_LATE: Final = {
    "type": "boolean",
    "description": "Whether the callee runs, and the fault befalls its answer.",
    "$comment": "Not in the original's format.",
}
_WHEN: Final = {"attempts": _ATTEMPTS, "after": _AFTER}
_EDIT: Final = {
    "type": "string",
    "pattern": rf"^\s*({EDIT})\s*$",
    "description": 'How an answer in JSON changes: "null user.name", "drop items", "retype '
    'total"; or "truncate 10", to so many bytes.',
}
_RULE: Final = {
    "type": "string",
    "pattern": r"^\s*[^\s→>]+\s*(→|->)\s*[^\s→>]+(\s[^→>]*)?:\s",
    "description": 'A fault in words: "bar→baz GET /items/*: status 503 first 2".',
}


def _of_kind(kind: str) -> Mapping[str, Any]:
    return {"properties": {"kind": {"const": kind}}, "required": ["kind"]}


_EXCEPTION: Final = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {**_TEXT, "description": "The exception's full name."},
        "restrictions": _RESTRICTIONS,
        "metadata": _METADATA,
        "service_name": {**_SERVICE, "$comment": "Not in the original's format."},
        **_WHEN,
    },
}
_ERROR: Final = {
    "type": "object",
    "required": ["service_name"],
    "properties": {
        "service_name": _SERVICE,
        **_WHEN,
        "types": {
            "type": "array",
            "items": {
                "type": "object",
                "anyOf": [{"required": ["return_value"]}, {"required": ["exception"]}],
                "properties": {
                    "return_value": {
                        "type": "object",
                        "required": ["status_code"],
                        "properties": {
                            "status_code": _STATUS,
                            "body": {"type": "string", "$comment": "Not in the original's format."},
                        },
                    },
                    "exception": {
                        "type": "object",
                        "required": ["metadata"],
                        "properties": {"metadata": {**_METADATA, "required": ["code"]}},
                    },
                },
            },
        },
    },
}
_FAULT: Final = {
    "type": "object",
    "$comment": "Not in the original's format.",
    "required": ["kind"],
    "properties": {
        "kind": {"description": "A fault in no library's terms.", "enum": [*KINDS]},
        "status_code": _STATUS,
        "code": _CODE,
        "body": {"type": "string"},
        "edit": _EDIT,
        "seconds": {"type": "number", "minimum": LEAST_SECONDS, "maximum": MOST_SECONDS},
        "late": _LATE,
        "restrictions": _RESTRICTIONS,
        "metadata": _METADATA,
        "service_name": _SERVICE,
        **_WHEN,
    },
    "allOf": [
        *(
            {"if": _of_kind(kind), "then": {"anyOf": [{"required": [name]} for name in needed]}}
            for kind, needed in (
                ("status", ("status_code", "code")),
                ("body", ("body", "edit")),
                ("delay", ("seconds",)),
            )
        ),
        *(
            {"if": _of_kind(kind.value), "then": {"properties": {"late": {"const": False}}}}
            for kind in sorted(NEVER_LATE, key=lambda kind: kind.value)
        ),
    ],
}

SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Filibuster analysis file",
    "description": "Which faults to try at which calls; one section for each library.",
    "type": "object",
    "properties": {"$schema": {"type": "string"}},
    "additionalProperties": {
        "type": "object",
        "properties": {
            "pattern": {
                **_PATTERN,
                "description": 'Which calls: matched at the start of "library.method".',
            },
            "exceptions": {"type": "array", "items": _EXCEPTION},
            "faults": {"type": "array", "items": {"anyOf": [_FAULT, _RULE]}},
            "errors": {"type": "array", "items": _ERROR},
        },
        "dependentRequired": {
            "exceptions": ["pattern"],
            "errors": ["pattern"],
        },
        # A fault in words says by itself where.
        "anyOf": [
            {"required": ["pattern"]},
            {"properties": {"faults": {"type": "array", "items": _RULE}}},
        ],
    },
}
