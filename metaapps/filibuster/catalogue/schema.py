"""The format of analysis files as a JSON schema (draft 2020-12), for people and for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from metaapps.filibuster.catalogue.analysis_file import KINDS
from metaapps.filibuster.catalogue.expression import PREFIX
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

_EXCEPTION: Final = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {**_TEXT, "description": "The exception's full name."},
        "restrictions": _RESTRICTIONS,
        "metadata": _METADATA,
        "service_name": {**_SERVICE, "$comment": "Not in the original's format."},
    },
}
_ERROR: Final = {
    "type": "object",
    "required": ["service_name"],
    "properties": {
        "service_name": _SERVICE,
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
        "body": {"type": "string"},
        "restrictions": _RESTRICTIONS,
        "metadata": _METADATA,
        "service_name": _SERVICE,
    },
    "allOf": [
        {
            "if": {"properties": {"kind": {"const": kind}}},
            "then": {"required": [needed]},
        }
        for kind, needed in (("status", "status_code"), ("body", "body"))
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
            "faults": {"type": "array", "items": _FAULT},
            "errors": {"type": "array", "items": _ERROR},
        },
        "dependentRequired": {
            "exceptions": ["pattern"],
            "faults": ["pattern"],
            "errors": ["pattern"],
        },
    },
}
