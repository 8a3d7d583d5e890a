"""The page: one file that holds its style, its script and its spans, and asks nobody for more.

What the spans become is in `content`; what that looks like is in `assets`, which are put in as they
are. Whatever a span says stays text: it travels as JSON, and the script sets it as text.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable
from importlib.resources import files
from string import Template
from typing import Final

from metaapps.tracing.span import Span
from metaapps.tracing.view.content import content

_ASSETS: Final = files("metaapps.tracing.view") / "assets"
_STYLES: Final = ("page.css", "waterfall.css", "details.css")
_SCRIPTS: Final = (
    "text.js",
    "drawing.js",
    "rows.js",
    "controls.js",
    "waterfall.js",
    "details.js",
    "page.js",
)

# JSON has no other place for these than its strings, where an escape means the same letter. They
# could end the element that holds it, or, in older browsers, a line of script.
_UNSAFE: Final = str.maketrans({letter: f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"})


def page(spans: Iterable[Span], *, title: str = "Traces") -> str:
    """Return an HTML page of the traces of which these are the spans.

    It needs no network, which its content security policy forbids it, and no other file. It has to
    be written as UTF-8.
    """
    style, script = _joined(_STYLES), _joined(_SCRIPTS)
    return Template(_read("page.html")).substitute(
        title=html.escape(_encodable(title)),
        policy=_policy(style, script),
        style=style,
        content=_json(content(spans)),
        script=script,
    )


def _policy(style: str, script: str) -> str:
    """Allow this style and this script, and the empty icon that keeps browsers from asking."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _encodable(text.translate(_UNSAFE))


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # a lone surrogate has no UTF-8


def _joined(names: Iterable[str]) -> str:
    # The digest is of what stands between the tags, so the newlines around it count.
    return "\n" + "".join(_read(name) for name in names)


def _read(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")
