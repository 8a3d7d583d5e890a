"""Starts coverage.py in a process of a service, before any of the service's own code.

`recording` puts a copy of this file on the PYTHONPATH of each service, as `sitecustomize.py` beside
`coverage.toml`; so child processes find it too. It may be run by another Python than ours: it uses
nothing but coverage.py, and a service without that runs on, unmeasured.
"""

from __future__ import annotations

import atexit
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path

_HERE = Path(__file__).parent


def start() -> None:
    """Measure from here on, under the context of the execution that goes on, if one does."""
    from coverage import Coverage

    recording = Coverage.current()  # there already, if this process was exec'ed by a measured one
    if recording is None:
        # Greenlets need following wherever they may occur: gevent, eventlet, SQLAlchemy.
        light = ["greenlet"] if find_spec("greenlet") else []
        settings = str(_HERE / "coverage.toml")
        recording = Coverage(config_file=settings, concurrency=["thread", *light])
        recording.start()
        atexit.register(recording.save)
    try:
        recording.switch_context((_HERE / "context").read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass  # no execution has begun


def chain() -> None:
    """Run the `sitecustomize` that this one hides, if there is one."""
    elsewhere = [place for place in sys.path if Path(place).resolve() != _HERE.resolve()]
    hidden = PathFinder.find_spec(__name__, elsewhere)
    if hidden is not None and hidden.loader is not None:
        module = module_from_spec(hidden)
        sys.modules[__name__] = module
        hidden.loader.exec_module(module)


def main() -> None:
    """Start, whatever comes of it: a service that can't be measured shall still serve."""
    try:
        start()
    except Exception as error:  # noqa: BLE001
        sys.stderr.write(f"filibuster: no coverage from this process: {error}\n")
    chain()


if __name__ == "sitecustomize":
    main()
