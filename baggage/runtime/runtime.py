"""The composition root: one process's boundary, its meta-applications and its instrumentations.

This is the one place that knows all sides. `baggage.instrument()` and its siblings act on the
process's runtime; a test may make one of its own.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from baggage.boundary import Boundary, MetaApp, collect, read_header
from baggage.boundary.homing import take_home
from baggage.context import Branch, attached, branch, enter
from baggage.instrumentation._patching import Switch
from baggage.runtime import discovery, naming
from baggage.runtime.settings import Settings, read_settings

if TYPE_CHECKING:
    from baggage.boundary.audit import Audit

_log = logging.getLogger("baggage.runtime")


class UnknownLibrary(ValueError):
    """A library was named that no instrumentation is for."""


class Runtime:
    """The wiring of one process. Safe in any thread; every method may be called again."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Start unwired; without `settings` the process's own are read at the first use."""
        self._given = settings
        self._lock = Lock()
        self._started = False
        self._found: dict[str, str] = {}
        self._switches: dict[str, Switch] = {}
        self._broken: dict[str, Exception] = {}
        self._audit: Audit | None = None
        self.boundary = Boundary()

    def register(self, app: MetaApp) -> None:
        """Add a meta-application; see `Boundary.register`."""
        if not isinstance(app, MetaApp):
            raise TypeError(f"{app!r} is no meta-application: it lacks name, interest or around")
        self.boundary.register(app)

    def unregister(self, name: str) -> None:
        """Remove a meta-application."""
        self.boundary.unregister(name)

    def instrument(self, *libraries: str, service: str | None = None) -> None:
        """Instrument these libraries, now or as soon as they are imported; all known ones if none.

        The first call reads the settings, registers the installed meta-applications and takes up
        the baggage that the process was started with. `service` names this process.
        """
        if libraries:
            known_only(libraries, self._known())
        with self._lock:
            settings = self._start()
        if service is not None:
            self.boundary.configure(replace(self.boundary.configured, service=service))
        if settings.disabled:
            return
        known = self._known()
        wanted = libraries or (known if settings.libraries is None else settings.libraries)
        for name in known:
            if name in wanted and name not in settings.exclude:
                self._switch_on(name, known[name])

    def start(self) -> bool:
        """Read the settings and wire the process as the first `instrument` does; False if disabled.

        No library is instrumented.
        """
        with self._lock:
            return not self._start().disabled

    def audit(self, *, on: bool = True) -> Audit:
        """Switch audit mode on, or off; return who audits, or did. Starts the runtime."""
        with self._lock:
            self._start()
            return self._audited(on)

    @property
    def audits(self) -> bool:
        """Whether audit mode is on."""
        return self._audit is not None

    def uninstrument(self, *libraries: str) -> None:
        """Switch instrumentations off: these, or all."""
        for name in libraries or tuple(self._switches):
            if name in self._switches:
                self._switches[name].on = False

    def active(self) -> tuple[str, ...]:
        """Return the libraries whose instrumentation is switched on, imported or not."""
        return tuple(sorted(name for name, switch in self._switches.items() if switch.on))

    @property
    def broken(self) -> Mapping[str, Exception]:
        """The libraries whose instrumentation was left out because it failed, and how it did."""
        return MappingProxyType(self._broken)

    def _known(self) -> Mapping[str, str]:
        """Return what `instrumentations` does; what is installed is looked for once."""
        if not self._found:
            self._found = discovery.instrumentations()
        return self._found

    def _start(self) -> Settings:
        settings = self._given or read_settings()
        if self._started:
            return settings
        self._started, self._given = True, settings
        self.boundary.configure(settings.policy)
        if settings.disabled:
            return settings
        self._complain(settings)
        naming.learn(self._learn_name)
        taken = {app.name for app in self.boundary.apps}
        for app in discovery.metaapps(settings.metaapps):
            if app.name not in taken:
                self.boundary.register(app)
        if settings.audit:
            self._audited(on=True)
        inherited = inherit(settings.inherited)
        if inherited is not None:
            atexit.register(self._leave, inherited, os.getpid())
        return settings

    def _learn_name(self, service: str) -> None:
        configured = self.boundary.configured
        if configured.service == naming.NAMELESS:
            self.boundary.configure(replace(configured, service=service))

    def _complain(self, settings: Settings) -> None:
        """Log the names in settings that no instrumentation is for; they count for nothing."""
        for name in sorted((settings.libraries or frozenset()) | settings.exclude):
            if name not in self._known():
                said = _unknown(name, self._known())
                _log.warning("setting ignored: %s", said, extra={"library": name})

    def _audited(self, on: bool) -> Audit:
        from baggage.boundary.audit import Audit  # here: few ever audit

        audit = self._audit
        if audit is None:
            audit = Audit(self._may_receive)
        self._audit = audit if on else None
        self.boundary.configure(replace(self.boundary.configured, receipts=on))
        if on:
            self.boundary.register(audit)
        else:
            self.boundary.unregister(audit.name)
        return audit

    def _may_receive(self, host: str) -> bool:
        return self.boundary.policy.may_receive(host)

    def _leave(self, inherited: Branch, process: int) -> None:
        """Hand what the process would bring home to its owners: nobody waits for it elsewhere."""
        if os.getpid() != process:
            return
        with attached(inherited), self.boundary.isolated():
            collect(inherited)
            self.boundary.overflow(take_home(inherited))

    def _switch_on(self, library: str, module: str) -> None:
        import wrapt  # here: who instruments nothing doesn't wait for its imports

        with self._lock:
            switch = self._switches.get(library)
            if switch is not None:
                switch.on = library not in self._broken
                return
            switch = self._switches[library] = Switch()

        def imported(_: Any) -> None:
            try:
                import_module(module).instrument(self.boundary, switch)
            except Exception as error:
                self._leave_out(library, error)
                if self.boundary.policy.strict:
                    raise

        wrapt.register_post_import_hook(imported, library)

    def _leave_out(self, library: str, error: Exception) -> None:
        self._switches[library].on = False
        self._broken[library] = error
        told = {"library": library}
        _log.error("instrumentation of %s left out", library, exc_info=error, extra=told)


def known_only(libraries: Iterable[str], known: Iterable[str]) -> None:
    """Raise UnknownLibrary for a name that no instrumentation is for."""
    for name in libraries:
        if name not in known:
            raise UnknownLibrary(_unknown(name, known))


def _unknown(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # here: for mistakes alone

    near = get_close_matches(name, known, cutoff=0.7)
    meant = f"did you mean {' or '.join(map(repr, near))}?" if near else "there are"
    listed = "" if near else f" {', '.join(sorted(known))}"
    return f"no instrumentation for {name!r}: {meant}{listed}"


def inherit(header: str) -> Branch | None:
    """Take up the baggage that this process was started with, if nothing is carried yet.

    Returns the branch that carries it from now on.
    """
    if not header or branch() is not None:
        return None
    received = read_header(header)
    if received.empty:
        return None
    inherited = Branch(received)
    enter(inherited)
    return inherited
