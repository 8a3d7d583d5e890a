"""The composition root: what it wires, when, and how it is undone."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from baggage.boundary import Policy, write_header
from baggage.context import branch, pack, session, unpack
from baggage.runtime import PROCESS, Runtime, Settings, UnknownLibrary, discovery
from baggage.runtime import runtime as module
from baggage.testing import Recorder
from baggage.values import EMPTY

QUIET = Settings(Policy(service="here"), metaapps=frozenset())


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Instrument nothing for real: note which modules would be, and their switches."""
    noted: list[tuple[str, Any]] = []

    class Noting:
        def __init__(self, name: str) -> None:
            self.name = name

        def instrument(self, boundary: Any, switch: Any) -> None:
            noted.append((self.name, switch))

    monkeypatch.setattr(module, "import_module", Noting)
    return noted


def names(patched: list[tuple[str, Any]]) -> list[str]:
    return [name.rpartition(".")[2] for name, _ in patched]


def python(program: str, cwd: Path | None = None, **environment: str) -> Any:
    """Run a program in a process of its own; return what it prints, as JSON."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


def test_each_instrumentation_is_known_by_its_library() -> None:
    found = discovery.instrumentations()
    assert {"requests", "flask", "threading", "concurrent.futures"} <= found.keys()
    assert not [name for name in found if name.startswith(("_", "."))]


@pytest.mark.parametrize(
    ("name", "library"),
    [("flask", "flask"), ("http_client", "http.client"), ("confluent__kafka", "confluent_kafka")],
)
def test_a_module_is_named_after_its_library(name: str, library: str) -> None:
    assert discovery.library(name) == library


def test_a_library_is_patched_once_however_often_it_is_switched(
    patched: list[tuple[str, Any]],
) -> None:
    runtime = Runtime(QUIET)
    runtime.instrument("threading")
    switch = patched[0][1]
    assert switch.on
    runtime.uninstrument("threading")
    assert not switch.on
    assert runtime.active() == ()
    runtime.instrument("threading")
    assert switch.on
    assert names(patched) == ["threading"]
    assert runtime.active() == ("threading",)


def test_all_libraries_are_instrumented_if_none_is_named(patched: list[tuple[str, Any]]) -> None:
    runtime = Runtime(QUIET)
    runtime.instrument()
    assert set(runtime.active()) == discovery.instrumentations().keys()
    assert "threading" in names(patched)
    runtime.uninstrument()
    assert runtime.active() == ()
    assert not any(switch.on for _, switch in patched)


def test_what_was_never_instrumented_can_be_switched_off() -> None:
    Runtime(QUIET).uninstrument("requests", "nonsense")


def test_an_unknown_library_is_refused_before_anything_is_done(
    patched: list[tuple[str, Any]],
) -> None:
    runtime = Runtime(QUIET)
    with pytest.raises(UnknownLibrary, match="'nonsense'"):
        runtime.instrument("threading", "nonsense")
    assert (patched, runtime.active()) == ([], ())


def test_settings_may_disable_everything(patched: list[tuple[str, Any]]) -> None:
    runtime = Runtime(Settings(disabled=True, metaapps=frozenset()))
    runtime.instrument()
    assert (patched, runtime.active()) == ([], ())


def test_a_service_may_be_named_at_any_time(patched: list[tuple[str, Any]]) -> None:
    runtime = Runtime(QUIET)
    runtime.instrument("threading")
    assert runtime.boundary.policy.service == "here"
    runtime.instrument("threading", service="stock")
    assert runtime.boundary.policy.service == "stock"
    runtime.instrument("threading")
    assert runtime.boundary.policy.service == "stock"


def test_an_instrumentation_that_fails_is_logged_and_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = ImportError("too old")

    def failing(name: str) -> Any:
        raise error

    monkeypatch.setattr(module, "import_module", failing)
    runtime = Runtime(QUIET)
    for _ in range(2):
        runtime.instrument("threading")
    (record,) = caplog.records
    assert record.message == "instrumentation of threading left out"
    assert (runtime.active(), runtime.broken) == ((), {"threading": error})


def test_a_name_that_is_nearly_right_is_told_from_one_that_is_not() -> None:
    with pytest.raises(UnknownLibrary, match="'reqests': did you mean 'requests'"):
        Runtime(QUIET).instrument("reqests")
    with pytest.raises(UnknownLibrary, match=r"'nonsense': there are .*flask.*threading"):
        Runtime(QUIET).instrument("nonsense")


@pytest.mark.parametrize(
    ("libraries", "exclude", "named", "active"),
    [
        (None, "flask", ["flask", "threading"], ("threading",)),
        ("os,threading", "", [], ("os", "threading")),
        ("os,threading", "os", [], ("threading",)),
        ("os", "", ["threading"], ("threading",)),
        ("", "", [], ()),
    ],
)
def test_settings_choose_libraries_where_nobody_names_any_and_exclude_them_anyway(
    libraries: str | None,
    exclude: str,
    named: list[str],
    active: tuple[str, ...],
    patched: list[tuple[str, Any]],
) -> None:
    chosen = None if libraries is None else frozenset(filter(None, libraries.split(",")))
    settings = replace(QUIET, libraries=chosen, exclude=frozenset(filter(None, exclude.split(","))))
    runtime = Runtime(settings)
    runtime.instrument(*named)
    assert runtime.active() == active


def test_settings_that_name_no_library_are_ignored_and_said_so_once(
    patched: list[tuple[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    runtime = Runtime(replace(QUIET, libraries=frozenset({"threading", "flsk"})))
    for _ in range(2):
        runtime.instrument()
    assert runtime.active() == ("threading",)
    said = "setting ignored: no instrumentation for 'flsk': did you mean 'flask'?"
    assert [record.message for record in caplog.records] == [said]


def test_an_installed_instrumentation_wins_over_ours(
    patched: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = [
        EntryPoint("threading", "acme.threads", discovery.LIBRARIES),
        EntryPoint("json", "acme.json", discovery.LIBRARIES),
    ]
    monkeypatch.setattr(
        "importlib.metadata.entry_points",
        lambda group: installed if group == discovery.LIBRARIES else [],
    )
    runtime = Runtime(QUIET)
    runtime.instrument("json", "threading", "os")
    assert [name for name, _ in patched] == [
        "baggage.instrumentation.os",
        "acme.threads",
        "acme.json",
    ]


def test_a_library_is_instrumented_when_it_is_imported() -> None:
    seen = python("""
        import json, sys, baggage
        baggage.instrument("requests", "flask")
        before = [name in sys.modules for name in ("requests", "flask")]
        import requests
        wrapped = hasattr(requests.adapters.HTTPAdapter.send, "__wrapped__")
        print(json.dumps([before, wrapped, "flask" in sys.modules]))
    """)
    assert seen == [[False, False], True, False]


def test_objects_that_were_made_before_are_instrumented_too() -> None:
    carried = python("""
        import json, requests, threading
        session = requests.Session()
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(1)
        pool.submit(int).result()
        from baggage.testing import Origin, Reply
        import baggage
        thread = threading.Thread(target=lambda: seen.append(baggage.unpack("n")))
        with Origin(lambda _: Reply()).serving() as origin:
            baggage.instrument()
            baggage.pack("n", 1)
            session.get(origin.url, timeout=300)
            seen = [bool(origin.received[0].baggage)]
        thread.start(); thread.join()
        seen.append(pool.submit(baggage.unpack, "n").result())
        print(json.dumps(seen))
    """)
    assert carried == [True, [1], [1]]


# Meta-applications


def test_a_meta_application_is_registered_by_hand() -> None:
    runtime, recorder = Runtime(QUIET), Recorder()
    runtime.register(recorder)
    assert apps(runtime) == ["recorder"]
    runtime.unregister("recorder")
    runtime.unregister("recorder")
    assert apps(runtime) == []


def test_what_is_no_meta_application_is_refused() -> None:
    with pytest.raises(TypeError, match="lacks name, interest or around"):
        Runtime(QUIET).register(object())  # type: ignore[arg-type]


class Installed(Recorder):
    """What an entry point of the tests makes."""


def make() -> Recorder:
    return Installed("installed")


def make_second() -> Recorder:
    return Installed("second")


def make_nothing() -> object:
    return object()


def fail() -> Recorder:
    raise LookupError("no such thing")


def refuse() -> Recorder:
    raise ValueError("LIMIT is 'x'; set it to a number")


def entries(*targets: str) -> Callable[..., list[EntryPoint]]:
    """Return what is installed: entry points of this module, each named after its function."""
    made = [EntryPoint(name, f"{__name__}:{name}", discovery.GROUP) for name in targets]
    return lambda group: made if group == discovery.GROUP else []


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(*targets: str) -> None:
        monkeypatch.setattr("importlib.metadata.entry_points", entries(*targets))

    return install


def apps(runtime: Runtime) -> list[str]:
    return [app.name for app in runtime.boundary.apps]


@pytest.mark.parametrize(
    ("wanted", "registered"),
    [(None, ["installed", "second"]), ({"make_second"}, ["second"]), (set(), []), ({"x"}, [])],
)
def test_installed_meta_applications_are_registered_as_wanted(
    wanted: set[str] | None,
    registered: list[str],
    installed: Callable[..., None],
    patched: list[tuple[str, Any]],
) -> None:
    installed("make_second", "make")
    runtime = Runtime(Settings(metaapps=None if wanted is None else frozenset(wanted)))
    runtime.instrument("threading")
    runtime.instrument("threading")
    assert apps(runtime) == registered


@pytest.mark.parametrize("broken", ["fail", "make_nothing", "does_not_exist"])
def test_a_broken_entry_point_is_logged_and_left_out(
    broken: str,
    installed: Callable[..., None],
    patched: list[tuple[str, Any]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    installed(broken, "make")
    runtime = Runtime(Settings())
    runtime.instrument("threading")
    assert apps(runtime) == ["installed"]
    (record,) = caplog.records
    assert record.message == f"meta-application {broken} left out"
    assert record.levelno == logging.ERROR


def test_a_wanted_meta_application_that_is_not_installed_is_told_of_in_one_line(
    installed: Callable[..., None], patched: list[tuple[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    installed("make")
    Runtime(Settings(metaapps=frozenset({"make", "tracig"}))).instrument("threading")
    assert caplog.messages == ["meta-application tracig left out: not installed"]


def test_a_meta_application_whose_settings_make_no_sense_is_left_out_in_one_line(
    installed: Callable[..., None], patched: list[tuple[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    installed("refuse", "make")
    runtime = Runtime(Settings())
    runtime.instrument("threading")
    assert apps(runtime) == ["installed"]
    (record,) = caplog.records
    said = "meta-application refuse left out: LIMIT is 'x'; set it to a number"
    assert (record.message, record.exc_info, record.levelno) == (said, None, logging.ERROR)


def test_a_meta_application_of_your_own_is_not_replaced_by_an_installed_one(
    installed: Callable[..., None], patched: list[tuple[str, Any]]
) -> None:
    installed("make")
    runtime, own = Runtime(Settings()), Recorder("installed")
    runtime.register(own)
    runtime.instrument("threading")
    assert runtime.boundary.apps == (own,)


# What a process inherits


def test_a_process_takes_up_the_baggage_that_it_was_started_with() -> None:
    header = write_header(EMPTY.pack("tenant", "acme"), origin="parent")
    seen = python(
        """
        import json, baggage
        baggage.instrument("threading")
        print(json.dumps([baggage.unpack("tenant"), baggage.current().origin]))
        """,
        BAGGAGE=header,
    )
    assert seen == [["acme"], "parent"]


@pytest.mark.parametrize("header", ["", "causal=AAAA", "nonsense", ",;=\x7f"])
def test_nonsense_in_the_environment_is_no_baggage(
    header: str, patched: list[tuple[str, Any]]
) -> None:
    runtime = Runtime(Settings(inherited=header, metaapps=frozenset()))
    runtime.instrument("threading")
    running = branch()
    assert running is None or running.baggage.keys() == ()


def test_a_process_that_carries_something_already_keeps_to_that(
    patched: list[tuple[str, Any]],
) -> None:
    pack("n", "own")
    header = write_header(EMPTY.pack("n", "parent's"))
    Runtime(Settings(inherited=header, metaapps=frozenset())).instrument("threading")
    assert unpack("n") == ("own",)


def test_the_functions_of_the_module_act_on_the_process() -> None:
    seen = python("""
        import json, baggage
        from baggage.runtime import PROCESS
        from baggage.testing import Recorder
        baggage.register(Recorder())
        baggage.instrument("threading", service="stock")
        names = [app.name for app in PROCESS.boundary.apps]
        on = PROCESS.active()
        baggage.unregister("recorder")
        baggage.uninstrument()
        after = [app.name for app in PROCESS.boundary.apps]
        print(json.dumps(["recorder" in names, on, "recorder" in after, PROCESS.active(),
                          PROCESS.boundary.policy.service]))
    """)
    assert seen == [True, ["threading"], False, [], "stock"]
    assert isinstance(PROCESS, Runtime)


def test_naming_a_service_keeps_nothing_of_what_a_session_overrides(
    patched: list[tuple[str, Any]],
) -> None:
    runtime = Runtime(QUIET)
    with session.overridden(strict=True, budget=1):
        runtime.instrument("threading", service="stock")
        assert runtime.boundary.policy.strict
    assert runtime.boundary.policy == Policy(service="stock")
