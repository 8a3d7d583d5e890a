"""Call sites: the application's own place, whatever stands between, on any machine."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from baggage.boundary import UNKNOWN_SITE, CallSite, run_work
from baggage.boundary.site import call_site
from baggage.context import attached
from baggage.values import EMPTY

PROGRAM = """
import json, sys
from baggage.boundary.site import call_site

def outer():
    def inner():
        return (lambda: call_site())()
    return [str(call_site()), str(inner())]

class Service:
    def get(self):
        return str(call_site())

sites = [*outer(), Service().get(), str(call_site())]
if __name__ == "__main__":
    print(json.dumps(sites))
"""


def run(folder: Path, *command: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=True
    )
    sites: list[str] = json.loads(ran.stdout)
    return sites


def named(sites: list[str]) -> list[str]:
    """Return sites without lines, which are for people."""
    return [site.rpartition(":")[0] for site in sites]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "one" / "shop").mkdir(parents=True)
    (tmp_path / "one" / "service.py").write_text(PROGRAM)
    (tmp_path / "one" / "shop" / "__init__.py").touch()
    (tmp_path / "one" / "shop" / "orders.py").write_text(PROGRAM)
    return tmp_path / "one"


SPAWNING = """
import json, multiprocessing
from baggage.boundary.site import call_site

def tell():
    print(json.dumps([str(call_site())]), flush=True)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=tell)
    process.start()
    process.join()
"""


def test_a_script_is_named_after_its_file_in_the_processes_that_it_spawns(checkout: Path) -> None:
    (checkout / "spawning.py").write_text(SPAWNING)
    assert named(run(checkout, "spawning.py")) == ["spawning.tell"]
    assert named(run(checkout, "-m", "spawning")) == ["spawning.tell"]


def test_a_script_is_named_after_its_file(checkout: Path) -> None:
    sites = named(run(checkout, "service.py"))
    assert sites == [
        "service.outer",
        "service.outer.<locals>.inner.<locals>.<lambda>",
        "service.Service.get",
        "service.<module>",
    ]


def test_a_module_that_is_run_is_named_as_when_it_is_imported(checkout: Path) -> None:
    program = "import json, shop.orders; print(json.dumps(shop.orders.sites))"
    assert run(checkout, "-m", "shop.orders") == run(checkout, "-c", program)


def test_a_site_is_the_same_in_another_checkout_and_after_edits_elsewhere(checkout: Path) -> None:
    other = checkout.parent / "two" / "deeper"
    shutil.copytree(checkout, other)
    (other / "service.py").write_text("# an edit\n\n" + PROGRAM)
    here, there = run(checkout, "service.py"), run(other, str(other / "service.py"))
    assert named(here) == named(there)
    assert here != there


COMPREHENDING = """
import json
from baggage.boundary.site import call_site

def calls():
    yield from [call_site() for _ in "a"]
    yield from {call_site() for _ in "a"}
    yield from {call_site(): 0 for _ in "a"}
    yield from [call_site() for _ in [call_site() for _ in "a"]]
    yield from [(lambda: call_site())() for _ in "a"]
    yield from [one for _ in "a" for one in [(lambda: call_site())() for _ in "a"]]
    yield from [one for _ in "a" for one in (call_site() for _ in "a")]
    yield from (lambda: [call_site() for _ in "a"])()

class Service:
    sites = [call_site() for _ in "a"] + [(lambda: call_site())() for _ in "a"]

here = [call_site() for _ in "a"] + [(lambda: call_site())() for _ in "a"]
print(json.dumps([str(site) for site in [*calls(), *Service.sites, *here]]))
"""


def test_a_comprehension_is_a_part_of_what_it_stands_in_with_every_python(checkout: Path) -> None:
    (checkout / "service.py").write_text(COMPREHENDING)
    assert named(run(checkout, "service.py")) == [
        *["service.calls"] * 4,
        *["service.calls.<locals>.<lambda>"] * 2,
        "service.calls.<locals>.<genexpr>",
        "service.calls.<locals>.<lambda>",
        "service.Service",
        "service.Service.<lambda>",
        "service.<module>",
        "service.<lambda>",
    ]


def test_a_site_is_equal_to_itself_on_another_line() -> None:
    assert CallSite("m", "f", 1) == CallSite("m", "f", 2)
    assert hash(CallSite("m", "f", 1)) == hash(CallSite("m", "f", 2))


def frame(module: str, filename: str, step: Callable[[], CallSite]) -> Callable[[], CallSite]:
    """Return a function of some module in some file that calls `step`."""
    code: CodeType = compile("def function(): return step()", filename, "exec")
    scope = {"__name__": module, "step": step}
    exec(code, scope)
    function: Callable[[], CallSite] = scope["function"]  # type: ignore[assignment]
    return function


INSTALLED = "/venv/lib/python3/site-packages/"
STANDARD = str(Path(json.__file__).parent.parent) + "/"


def site_under(*frames: tuple[str, str], library: frozenset[str] = frozenset()) -> CallSite:
    """Return the call site where these frames stand, outermost first."""
    step: Callable[[], CallSite] = partial(call_site, library)
    for module, filename in reversed(frames):
        step = frame(module, filename, step)
    return step()


def test_the_innermost_frame_of_the_application_counts() -> None:
    site = site_under(
        ("app.main", "/srv/app/main.py"),
        ("app.views", "/srv/app/views.py"),
        ("client", INSTALLED + "client/__init__.py"),
        ("client.wire", INSTALLED + "client/wire.py"),
        ("json", STANDARD + "json/__init__.py"),
        ("runpy", "<frozen runpy>"),
    )
    assert site == CallSite("app.views", "function")


@pytest.mark.parametrize(
    ("filename", "skipped"),
    [
        (INSTALLED + "x.py", True),
        ("C:\\venv\\Lib\\site-packages\\x.py", True),
        ("/usr/lib/python3/dist-packages/x.py", True),
        (STANDARD + "x.py", True),
        ("<frozen importlib>", True),
        ("/srv/app/x.py", False),
        ("<string>", False),
    ],
)
def test_what_is_installed_or_of_python_is_not_the_applications(
    filename: str, skipped: bool
) -> None:
    inner = frame("inner", filename, call_site)
    assert (inner().module == "inner") is not skipped


def test_frames_of_the_library_are_skipped_wherever_they_are() -> None:
    site = site_under(
        ("app", "/srv/app.py"),
        ("client.wire", "/srv/editable/client/wire.py"),
        library=frozenset({"client"}),
    )
    assert site.module == "app"


def test_our_own_frames_are_skipped() -> None:
    for module in ("baggage.boundary.x", "metaapps.theirs"):
        assert frame(module, "/srv/x.py", call_site)().module == __name__


def in_a_bare_thread(*frames: tuple[str, str], library: frozenset[str] = frozenset()) -> CallSite:
    """Return the call site where no other frame stands outside of these."""
    with ThreadPoolExecutor(1) as pool:
        step: Callable[[], CallSite] = partial(call_site, library)
        for module, filename in reversed(frames):
            step = frame(module, filename, step)
        return pool.submit(step).result()


def test_an_installed_package_is_the_application_where_there_is_no_other() -> None:
    shop, client = ("shop", INSTALLED + "shop.py"), ("client", INSTALLED + "client.py")
    assert in_a_bare_thread(shop, client).module == "client"
    assert in_a_bare_thread(shop, client, library=frozenset({"client"})).module == "shop"


def test_without_any_application_the_site_is_unknown() -> None:
    assert in_a_bare_thread(("queue", STANDARD + "queue.py")) == UNKNOWN_SITE


def test_a_site_so_deep_that_it_is_not_looked_for_is_unknown() -> None:
    client = ("client", INSTALLED + "client.py")
    assert site_under(*[client] * 300, library=frozenset({"client"})) == UNKNOWN_SITE


LIBRARY = "def call(found): found.append(call_site({'lib'}))"


@pytest.mark.parametrize("place", [None, CallSite("app", "fan_out")])
def test_what_runs_nothing_but_a_library_is_placed_where_it_was_forked(
    place: CallSite | None,
) -> None:
    lib: dict[str, Any] = {"__name__": "lib", "call_site": call_site}
    exec(compile(LIBRARY, "/x/site-packages/lib.py", "exec"), lib)
    found: list[CallSite] = []

    async def main() -> None:
        with attached(EMPTY) as running:
            running.place = place
            asyncio.get_running_loop().call_soon(lib["call"], found)
            worker = threading.Thread(target=copy_context().run, args=(lib["call"], found))
        await asyncio.sleep(0)
        worker.start()
        worker.join()

    def service() -> None:
        asyncio.run(main())

    service()
    below = CallSite(__name__, f"{main.__qualname__.rpartition('.')[0]}.service")
    assert found == [place or below, place or UNKNOWN_SITE]


def test_what_a_worker_runs_was_not_called_by_the_worker() -> None:
    lib: dict[str, Any] = {"__name__": "lib", "call_site": call_site}
    exec(compile(LIBRARY, "/x/site-packages/lib.py", "exec"), lib)
    found: list[CallSite] = []
    with attached(EMPTY) as running:
        running.place = CallSite("app", "task")
        run_work(partial(lib["call"], found))
    assert found == [running.place]
