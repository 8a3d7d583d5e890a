"""What a process is called that wasn't given a name: as the program that it runs.

Belongs here: where a program's name is found, before and after Python itself knows it. Does not:
names that somebody chose (`settings`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from os.path import basename, dirname, splitext
from types import ModuleType
from typing import Any, Final

NAMELESS: Final = "python"
_WORKERS: Final = "multiprocessing.spawn"


def program(argv: Sequence[str] | None = None) -> str:
    """Return the program's name by a command line, as in `sys.argv`; this process's if none."""
    argv = _own() if argv is None else argv
    script = argv[0] if argv else ""
    if script == "-m":  # not found yet: what the interpreter was told says what is run
        word = "".join(sys.orig_argv[-len(argv) :][:1])
        script = (word.partition("m")[2] if word.startswith("-") else word).replace(".", "/")
    elif splitext(basename(script))[0] == "__main__":
        script = dirname(script)
    name = splitext(basename(script))[0]
    return NAMELESS if name in ("", "-c") else name


def learn(named: Callable[[str], None]) -> None:
    """Have a process that multiprocessing starts named as its parent is, once it learns of that.

    It is started without its parent's command line, which it is told before it imports anything of
    the application's. Other processes have their names already.
    """
    if [*_own()[:1]] != ["-c"] or not any("multiprocessing" in word for word in sys.orig_argv):
        return
    import wrapt  # here: for workers alone

    def prepare(wrapped: Callable[..., Any], _: object, args: Any, kwargs: Any) -> Any:
        told = args[0] if args else kwargs.get("data", {})
        named(program(told.get("sys_argv", ())))
        return wrapped(*args, **kwargs)

    def imported(spawn: ModuleType) -> None:
        wrapt.wrap_function_wrapper(spawn, "prepare", prepare)

    wrapt.register_post_import_hook(imported, _WORKERS)


def _own() -> Sequence[str]:
    return getattr(sys, "argv", ())  # a program that embeds Python may set it later
