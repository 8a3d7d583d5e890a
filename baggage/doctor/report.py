"""The whole of what the doctor says, as values."""

from __future__ import annotations

import platform
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata

from baggage.doctor.census import Census
from baggage.doctor.installed import OURS, Library, libraries
from baggage.doctor.probes.probe import Peers
from baggage.doctor.surroundings import PACKAGE, bootstraps
from baggage.doctor.trial import Result, Trial
from baggage.doctor.trying import LIMIT, Told, counted, try_all


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. `trials` has what was tried, by library; `bootstraps` as `surroundings`."""

    python: str
    executable: str
    version: str
    location: str
    bootstraps: tuple[str, ...]
    census: Census | None
    unknown: str
    libraries: tuple[Library, ...]
    trials: Mapping[str, Trial]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong: what isn't installed, chosen or tried is no illness."""
        return not any(self.illnesses())

    def illnesses(self) -> Iterator[str]:
        """Yield what is wrong, a line each."""
        if self.census is None:
            yield self.unknown
        for each in self.libraries:
            if each.supported is False:
                yield f"{each.name}: {each.version} is not supported, which {each.wants} is"
            trial = self.trials.get(each.name)
            if trial is not None and trial.result is Result.FAILED:
                yield f"{each.name}: {trial.reason}"
        for app in () if self.census is None else self.census.metaapps:
            if app.broken:
                yield f"meta-application {app.name}: {app.reason}"

    def warnings(self) -> Iterator[str]:
        """Yield what may be no mistake, but looks like one."""
        census = self.census
        if census is None:
            return
        yield from census.warnings
        if census.disabled:
            yield "BAGGAGE_DISABLED: nothing is instrumented here; self-tests don't mind"
        for library, error in census.broken.items():
            yield f"the instrumentation of {library} is left out: {error}"

    def to_json(self) -> dict[str, object]:
        """Return all of it."""
        return {
            "python": {"version": self.python, "executable": self.executable},
            "baggage": {"version": self.version, "location": self.location},
            "healthy": self.healthy,
            "illnesses": [*self.illnesses()],
            "warnings": [*self.warnings()],
            "bootstraps": [*self.bootstraps],
            "process": None if self.census is None else self.census.to_json(),
            "libraries": [{**each.to_json(), **self._tried(each)} for each in self.libraries],
        }

    def _tried(self, library: Library) -> dict[str, object]:
        trial = self.trials.get(library.name)
        return {"self_test": None if trial is None else trial.to_json()}


def examine(
    chosen: Collection[str], peers: Peers, told: Told, limit: float = LIMIT, *, trying: bool = True
) -> Report:
    """Look at everything; at all libraries if none is chosen, and try those that are found.

    `told` is told of each trial as it is over, from this thread. `limit` is in seconds, for each.
    """
    census, unknown = counted(limit)
    known = tuple(each for each in libraries() if not chosen or each.name in chosen)
    found = [each.name for each in known if each.found]
    return Report(
        platform.python_version(),
        sys.executable,
        _version(),
        str(PACKAGE),
        tuple(bootstraps()),
        census,
        unknown,
        known,
        try_all(found, peers, told, limit) if trying else {},
    )


def _version() -> str:
    try:
        return metadata.version(OURS)
    except metadata.PackageNotFoundError:
        return "not installed"
