"""What the environment says about tracing: the only place that reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from metaapps.tracing.errors import SettingError
from metaapps.tracing.export.reporter import INTERVAL
from metaapps.tracing.formats import FORMATS, Format
from metaapps.tracing.sampling import ALWAYS, Sampler, parse

_YES: Final = frozenset({"1", "true", "yes", "on"})
_LONGEST: Final = 3600
_NO: Final = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process traces.

    `file`, `url` (a Zipkin server's) and `otlp` (a collector's) are where spans go; without any
    nothing is traced. `encoding` is "json" or "proto3", `otlp_encoding` "json" or "protobuf". Spans
    wait `interval` seconds at most before they are sent to servers. With
    `share` a server's span has the id of the client's span that it answers; without, it is a child
    of that: the default where `otlp` is set, which knows no shared spans. `formats` are written
    beside the baggage, `local` names libraries whose threads and tasks get spans.
    """

    file: Path | None = None
    url: str = ""
    encoding: str = "json"
    otlp: str = ""
    otlp_encoding: str = "protobuf"
    interval: float = INTERVAL
    share: bool = True
    sampler: Sampler = ALWAYS
    formats: tuple[Format, ...] = (FORMATS["b3"],)
    local: tuple[str, ...] = ()


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the variables that docs/tracing.md lists; an empty one counts as unset.

    Raises SettingError.
    """
    otlp = _url(environ, "TRACING_OTLP")
    return Settings(
        file=_file(environ.get("TRACING_FILE", "")),
        url=_url(environ, "TRACING_URL"),
        encoding=_one_of(environ, "TRACING_ENCODING", "json", "proto3"),
        otlp=otlp,
        otlp_encoding=_one_of(environ, "TRACING_OTLP_ENCODING", "protobuf", "json"),
        interval=_seconds(environ, "TRACING_INTERVAL", INTERVAL),
        share=_flag(environ, "TRACING_SHARE", default=not otlp),
        sampler=parse(environ.get("TRACING_SAMPLE") or "always"),
        formats=_formats(environ.get("TRACING_FORMATS") or "b3"),
        local=_names(environ.get("TRACING_LOCAL") or ""),
    )


def for_child(**told: str) -> dict[str, str]:
    """Return the environment of a child process: this one's, with what it is told besides."""
    return {**os.environ, **told}


def _file(path: str) -> Path | None:
    try:
        # Absolute at once: the application may change its working directory.
        return Path(path).expanduser().absolute() if path else None
    except RuntimeError as error:
        raise SettingError(f"TRACING_FILE is {path!r}; set it to a path: {error}") from error


def _url(environ: Mapping[str, str], name: str) -> str:
    url = environ.get(name, "").strip()
    if url and not url.startswith(("http://", "https://")):
        raise SettingError(f"{name} is {url!r}; set it to a URL such as http://localhost:9411")
    return url


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name, "").strip()
    try:
        seconds = float(text) if text else default
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST:  # nor NaN
        raise SettingError(f"{name} is {text!r}; set it to seconds, above 0 and up to {_LONGEST}")
    return seconds


def _one_of(environ: Mapping[str, str], name: str, *known: str) -> str:
    value = environ.get(name, "").strip().lower() or known[0]
    if value not in known:
        raise SettingError(f"{name} is {value!r}; set it to one of {', '.join(known)}")
    return value


def _formats(text: str) -> tuple[Format, ...]:
    names = _names(text.lower())
    if names == ("none",):
        return ()
    for name in names:
        if name not in FORMATS:
            known = ", ".join(FORMATS)
            raise SettingError(f"TRACING_FORMATS has {name!r}; set it to none, or some of {known}")
    return tuple(FORMATS[name] for name in dict.fromkeys(names))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _flag(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = environ.get(name, "").strip()
    if not value:
        return default
    if value.lower() not in _YES | _NO:
        raise SettingError(f"{name} is {value!r}; set it to 1 or 0")
    return value.lower() in _YES
