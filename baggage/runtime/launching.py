"""Other launchers that work as `baggage run` does: what they start is reached all the same.

Belongs here: keeping our directory the first on PYTHONPATH. Theirs has a `sitecustomize` too, which
hides ours if it comes first and doesn't ask for the next one. Ours does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final

from baggage.boundary.settings import environment, hand_on

_PATH: Final = "PYTHONPATH"


def stay_first(directory: str) -> None:
    """Have children of this process find a directory first, and whatever it becomes by an exec.

    Only where they find it at all: whoever takes it from their environment has his way.
    """

    def stay(told: Mapping[str, Any], hand: Callable[[str, str], object]) -> None:
        found = told.get(_PATH)
        path = found.split(os.pathsep) if isinstance(found, str) else []  # bytes are no error
        if directory in path[1:]:
            others = [entry for entry in path if entry != directory]
            hand(_PATH, os.pathsep.join([directory, *others]))

    execv, execve = os.execv, os.execve

    @wraps(execv)
    def become(path: Any, argv: Any, /) -> Any:
        stay(environment(), hand_on)
        return execv(path, argv)

    @wraps(execve)
    def become_in(path: Any, argv: Any, env: Any) -> Any:
        told = dict(env)
        stay(told, told.__setitem__)
        return execve(path, argv, told)

    stay(environment(), hand_on)
    # `os.execl` and its siblings call these by their names.
    os.execv, os.execve = become, become_in
