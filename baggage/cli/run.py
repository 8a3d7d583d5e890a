"""`baggage run`: become another program, with a place of ours on PYTHONPATH.

Belongs here: the environment that makes every Python below import `baggage.auto`, and what can be
said beforehand about whether it will. Does not: what happens in there (`python-path`, `auto`).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from baggage.runtime import discovery
from baggage.runtime.runtime import UnknownLibrary, known_only

PLACE: Final = Path(__file__).parent / "python-path"
"""The directory with our `sitecustomize`."""

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
_PYTHON: Final = re.compile(r"(?:python|pypy)[\d.]*(?:\.exe)?")
_LINE: Final = 256


class Refusal(Exception):
    """The command could not be run; `code` is what to exit with, as shells do."""

    def __init__(self, reason: str, code: int) -> None:
        """Say why."""
        super().__init__(reason)
        self.code = code


def activated(
    environment: Mapping[str, str],
    service: str | None = None,
    libraries: Iterable[str] = (),
    exclude: Iterable[str] = (),
) -> dict[str, str]:
    """Return an environment in which every Python instruments itself; raise `Refusal`."""
    chosen = {"BAGGAGE_LIBRARIES": tuple(libraries), "BAGGAGE_EXCLUDE": tuple(exclude)}
    named = [name for names in chosen.values() for name in names]
    if named:
        try:
            known_only(named, discovery.instrumentations())
        except UnknownLibrary as unknown:
            raise Refusal(str(unknown), 2) from unknown
    told = {variable: ",".join(names) for variable, names in chosen.items() if names}
    if service is not None:
        told["BAGGAGE_SERVICE"] = service
    own = str(PLACE)
    others = environment.get("PYTHONPATH", "").split(os.pathsep)
    path = [own, *(each for each in others if each != own)] if others != [""] else [own]
    return {**environment, **told, "PYTHONPATH": os.pathsep.join(path)}


def become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process by a command; raise `Refusal` if there is no such program."""
    for ignored in ("SIGPIPE", "SIGXFSZ"):  # by Python, and a program would inherit that
        if hasattr(signal, ignored):
            signal.signal(getattr(signal, ignored), signal.SIG_DFL)
    try:
        os.execvpe(command[0], [*command], environment)  # noqa: S606 - no shell is wanted
    except OSError as error:
        if shutil.which(command[0], path=environment.get("PATH")) is None:
            reason = f"{command[0]!r} is not found, or not executable"
            missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
            raise Refusal(reason, NOT_FOUND if missing else NOT_EXECUTABLE) from error
        raise Refusal(f"cannot run {command[0]!r}: {error.strerror}", NOT_EXECUTABLE) from error


def deaf(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return how a command keeps us out of its Python, if that can be seen; or ""."""
    option = _isolating(command)
    if option:
        return f"{command[0]} {option}"
    script = shutil.which(command[0], path=environment.get("PATH"))
    words = _first_line(script) if script else []
    option = _isolating(words)
    return f"{command[0]}, which is run by {' '.join(words)}," if option else ""


def _isolating(command: Sequence[str]) -> str:
    """Return the option of a Python's command line by which we are not found."""
    if not command or not _PYTHON.fullmatch(os.path.basename(command[0])):
        return ""
    words = iter(command[1:])
    for word in words:
        if not re.match("-[^-]", word):
            break
        letters, last, value = re.match(r"-([^cmWX]*)(.?)(.*)", word, re.DOTALL).groups()  # type: ignore[union-attr]
        if set(letters) & set("EIS"):
            return word
        if last in ("c", "m"):
            break
        if last and not value:
            next(words, None)
    return ""


def _first_line(script: str) -> list[str]:
    try:
        with open(script, "rb") as file:
            line = file.readline(_LINE)
    except OSError:
        return []
    return line[2:].decode(errors="replace").split() if line.startswith(b"#!") else []
