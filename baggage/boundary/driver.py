"""The waist itself: where instrumentations bring their crossings, and flows are asked.

An instrumentation calls `call` or `acall` for what fits in one function, `arrive` for a server,
`fork` for a new branch of execution (`dispatch` for one in another process), and `depart` for what
is answered later or elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from threading import Lock
from typing import Any, Final, TypeVar

from baggage.boundary import transport, underway
from baggage.boundary.adapter import Adapter, Carrier, lends
from baggage.boundary.arrival import Arrival, receipting
from baggage.boundary.call import UNKNOWN_SITE, Call, Endpoint, Kind
from baggage.boundary.crossing import adrive
from baggage.boundary.delivery import Delivery
from baggage.boundary.departure import Departure, receipted
from baggage.boundary.dispatch import Dispatch
from baggage.boundary.fork import Fork
from baggage.boundary.homing import owner_of
from baggage.boundary.isolation import Isolation
from baggage.boundary.letter import Letter
from baggage.boundary.message import Message
from baggage.boundary.metaapp import Interest, MetaApp, OverflowSink
from baggage.boundary.policy import EVERYWHERE, Policy
from baggage.boundary.publication import Publication
from baggage.boundary.site import call_site
from baggage.context import Branch, branch, ensure
from baggage.values import EMPTY, Baggage, Direction, Key, Value

_log = logging.getLogger("baggage.boundary")
_REMEMBERED_ENDPOINTS: Final = 4096
T = TypeVar("T")
F = TypeVar("F", bound=Fork)
M = TypeVar("M", bound=Message)


class Boundary:
    """All boundaries of one process, or of one test. Safe in any thread.

    Meta-applications form an onion: those that observe outside of those that act, and each of the
    two in the order of `apps`, the first one outermost.
    """

    def __init__(self, policy: Policy | None = None, apps: tuple[MetaApp, ...] = ()) -> None:
        """Start with these meta-applications; later ones come by `register`."""
        self._policy = policy or Policy()
        self._apps = apps
        self._lock = Lock()
        self._isolation = Isolation(self)
        self._interested: dict[tuple[Kind, str], tuple[MetaApp, ...]] = {}
        self._unwatched: dict[tuple[str, ...], bool] = {}
        self._services: dict[Endpoint, str] = {}

    @property
    def configured(self) -> Policy:
        """The policy that was configured, whatever the session overrides of it."""
        return self._policy

    @property
    def policy(self) -> Policy:
        """The policy that holds here and now: what was configured, as the session overrides it."""
        return self._policy.in_session()

    @property
    def apps(self) -> tuple[MetaApp, ...]:
        """The registered meta-applications, outermost first."""
        return self._apps

    def register(self, app: MetaApp) -> None:
        """Add a meta-application, innermost; one of the same name is replaced in its place."""
        with self._lock:
            names = [known.name for known in self._apps]
            if app.name in names:
                self._apps = tuple(app if known.name == app.name else known for known in self._apps)
            else:
                self._apps = (*self._apps, app)
            self._interested, self._unwatched = {}, {}

    def unregister(self, name: str) -> None:
        """Remove a meta-application; none of that name is fine."""
        with self._lock:
            self._apps = tuple(app for app in self._apps if app.name != name)
            self._interested, self._unwatched = {}, {}

    def configure(self, policy: Policy) -> None:
        """Replace the policy, for crossings that begin from now on."""
        self._policy = policy

    def call(self, adapter: Adapter, request: Any, send: Callable[[], T]) -> T:
        """Depart around `send`, in this thread."""
        departure = self.depart(adapter, request)
        return send() if departure is None else departure.drive(send)

    async def acall(self, adapter: Adapter, request: Any, send: Callable[[], Awaitable[T]]) -> T:
        """Depart around `await send()`, in this task."""
        departure = self.depart(adapter, request)
        return await send() if departure is None else await adrive(departure, send)

    def departs(self, adapter: Adapter) -> bool:
        """Say whether `depart` may return a departure here, for who has yet to make a request."""
        running = branch()
        if running is None:
            return bool(self.interested(adapter.kind, adapter.library))
        return not running.muted

    def unasked(self, adapter: Adapter) -> bool:
        """Say whether an arrival without any baggage may be a `Blank`: nobody is to be told."""
        return not (self._policy.receipts or self.interested(adapter.kind, adapter.library))

    def depart(self, adapter: Adapter, request: Any) -> Departure | None:
        """Prepare a departure; None where there is nothing to carry and nobody to ask.

        None also within the call of a library that is built on this one: that call departs.
        """
        running = branch()
        if running is not None and running.muted:
            return None
        apps = self.interested(adapter.kind, adapter.library)
        if running is None and not apps:
            return None
        if adapter.below and underway.within(running, adapter.below):
            return None
        policy = self._policy.in_session()
        call = None
        if apps:
            service = (running.service if running is not None else "") or policy.service
            call = self._describe(adapter, request, service)
        make = receipted() if policy.receipts else Departure
        departure = make(self, adapter, request, call)
        departure.policy, departure.asked = policy, apps
        if policy.lend:
            departure.may_lend(policy)
        return departure

    def arrive(self, adapter: Adapter, request: Any, service: str = "") -> Arrival | None:
        """Prepare an arrival at `service` ("" for the process's own); None where it's muted."""
        running = branch()
        if running is not None and running.muted:
            return None
        policy = self._policy.in_session()
        received = self._received(adapter, request, lending=bool(policy.lend))
        service = service or policy.service
        apps = self.interested(adapter.kind, adapter.library)
        call = self._describe_arrival(adapter, request, service) if apps else None
        make = receipting() if policy.receipts else Arrival
        arrival = make(self, adapter, request, call, Branch(received, service))
        arrival.policy, arrival.asked = policy, apps
        return arrival

    def serve(
        self, adapter: Adapter, request: Any, handle: Callable[[], T], service: str = ""
    ) -> T:
        """Arrive around `handle`, which makes the whole response, in this thread."""
        arrival = self.arrive(adapter, request, service)
        return handle() if arrival is None else arrival.drive(handle)

    def fork(self, adapter: Adapter, request: Any) -> Fork | None:
        """Prepare a fork; what is muted forks muted branches.

        None within the call of a library that starts branches for its own ends.
        """
        return self._fork(Fork, adapter, request)

    def blank(self, libraries: tuple[str, ...]) -> bool:
        """Say whether a fork here may be a `Blank` one: nothing is carried, and nobody asks.

        `libraries` are those that fork when this one does.
        """
        return branch() is None and (
            self._unwatched.get(libraries, False) or self._nobody_asks(libraries)
        )

    def sharing(self, adapter: Adapter, libraries: tuple[str, ...]) -> Branch | None:
        """Return the branch that a `Share` here is of; None where that won't do. See `blank`."""
        running = branch()
        if running is None or running.muted:
            return None
        if not (self._unwatched.get(libraries, False) or self._nobody_asks(libraries)):
            return None
        return None if adapter.below and underway.within(running, adapter.below) else running

    def _nobody_asks(self, libraries: tuple[str, ...]) -> bool:
        cache = self._unwatched  # as in `interested`
        unwatched = cache.get(libraries)
        if unwatched is None:
            kinds = (Kind.SPAWN, Kind.RUN)
            unwatched = not any(self.interested(k, name) for name in libraries for k in kinds)
            cache[libraries] = unwatched
        return unwatched

    def dispatch(self, adapter: Adapter, request: Any) -> Dispatch | None:
        """Prepare a fork whose child runs in another process; else like `fork`."""
        return self._fork(Dispatch, adapter, request)

    def hand_over(self, adapter: Adapter, request: Any) -> Message | None:
        """Prepare a message; None where there is nothing to carry and nobody to ask.

        None also within the call of a library that is built on this one.
        """
        return self._hand_over(Message, adapter, request)

    def post(self, adapter: Adapter, request: Any) -> Letter | None:
        """Prepare a message to another process; else like `hand_over`."""
        return self._hand_over(Letter, adapter, request)

    def publish(self, adapter: Adapter, request: Any) -> Publication | None:
        """Prepare a message to a broker; else like `hand_over`."""
        return self._hand_over(Publication, adapter, request)

    def receive(self, adapter: Adapter, request: Any) -> Delivery | None:
        """Prepare to take a message that came by a broker; None where it's muted."""
        running = branch()
        if running is not None and running.muted:
            return None
        call = None
        if self.interested(adapter.kind, adapter.library):
            call = self._describe_arrival(adapter, request, self.policy.service)
        return Delivery(self, adapter, request, call, self._received(adapter, request))

    def bring_back(self, carrier: Carrier | None) -> None:
        """Join what came with a result that anybody may read, any number of times."""
        with self.isolated():
            received = transport.read(carrier)
            if received.returns and not ensure().muted:
                ensure().join(received, batch=True)

    def interested(self, kind: Kind, library: str) -> tuple[MetaApp, ...]:
        """Return the meta-applications to ask at such crossings, outermost first."""
        if not self._apps:
            return ()
        # A registration meanwhile puts another cache in place of this one, after its new `_apps`.
        cache = self._interested
        cached = cache.get((kind, library))
        if cached is None:
            interests = [(app, self._interest(app, kind, library)) for app in self._apps]
            cached = (
                *(app for app, interest in interests if interest is Interest.OBSERVE),
                *(app for app, interest in interests if interest is Interest.AROUND),
            )
            cache[(kind, library)] = cached
        return cached

    def may_receive(self, adapter: Adapter, request: Any, call: Call | None) -> bool:
        """Say whether the policy lets a request carry baggage."""
        policy = self._policy  # No session overrides its hosts.
        if policy.hosts == EVERYWHERE:
            return True
        endpoint = (call or adapter.describe(request)).endpoint
        return endpoint is not None and policy.may_receive(endpoint.host)

    def learn(self, call: Call | None, service: str) -> None:
        """Remember which service answers at an endpoint, for calls that are never sent."""
        if call is None or call.endpoint is None or call.target == service:
            return
        if call.endpoint in self._services or len(self._services) < _REMEMBERED_ENDPOINTS:
            self._services[call.endpoint] = service

    def overflow(self, home: Mapping[str, Sequence[Value]]) -> None:
        """Hand `home` values that have no way home to the meta-applications that own them."""
        for name, values in home.items():
            key = Key(name, direction=Direction.HOME)
            owner = owner_of(name, self._apps)
            if isinstance(owner, OverflowSink):
                with self.isolated():
                    owner.overflow(key, values)
            else:
                _log.warning("values lost", extra={"key": name, "count": len(values)})

    def isolated(self) -> AbstractContextManager[None, bool]:
        """Keep what goes wrong in a block from the application; raise it in strict mode."""
        return self._isolation

    def _hand_over(self, make: type[M], adapter: Adapter, request: Any) -> M | None:
        running = branch()
        if running is not None and running.muted:
            return None
        library = adapter.library
        wanted = self.interested(adapter.kind, library) or self.interested(Kind.CONSUMER, library)
        if not wanted and (running is None or running.idle):
            return None
        if adapter.below and underway.within(running, adapter.below):
            return None
        call = self._describe(adapter, request, self._service(running)) if wanted else None
        return make(self, adapter, request, call)

    def _fork(self, make: type[F], adapter: Adapter, request: Any) -> F | None:
        running = branch()
        if adapter.below and underway.within(running, adapter.below):
            return None
        if running is not None and running.muted:
            return make(self, adapter, request, None)
        library = adapter.library
        wanted = self._apps and (
            self.interested(adapter.kind, library) or self.interested(Kind.RUN, library)
        )
        call = self._describe(adapter, request, self._service(running)) if wanted else None
        return make(self, adapter, request, call)

    def failed(self, error: Exception) -> None:
        """Log what went wrong, as `isolated` does, which costs more; raise it in strict mode."""
        if self.policy.strict:
            raise error
        _log.error("propagation failed", exc_info=error)

    def _received(self, adapter: Adapter, request: Any, *, lending: bool = False) -> Baggage:
        try:
            lent = lending and lends(adapter, request)
            # What comes home is never on its way out: such values can only be forged.
            return transport.read(adapter.request_carrier(request), lent=lent).without_home()
        except Exception as error:  # noqa: BLE001 - kept from the application
            self.failed(error)
            return EMPTY

    def _interest(self, app: MetaApp, kind: Kind, library: str) -> Interest:
        with self.isolated():
            return app.interest(kind, library)
        return Interest.NONE

    def _service(self, running: Branch | None) -> str:
        """Return the name of the service that a branch runs in."""
        return (running.service if running is not None else "") or self.policy.service

    def _describe(self, adapter: Adapter, request: Any, service: str) -> Call | None:
        try:
            call = adapter.describe(request)
            target, site = call.target, call.site
            if not target and self._services and call.endpoint is not None:
                target = self._services.get(call.endpoint, "")
            if site is UNKNOWN_SITE and adapter.kind.departs:
                # Beyond this, and the method that is preparing: to look at a frame costs.
                site = call_site(adapter.packages, beyond=2)
            return call.placed(service, target, site)
        except Exception as error:  # noqa: BLE001 - kept from the application
            self.failed(error)
            return None

    def _describe_arrival(self, adapter: Adapter, request: Any, service: str) -> Call | None:
        try:
            call = adapter.describe(request)
            return call.placed(service, call.target, call.site)
        except Exception as error:  # noqa: BLE001 - kept from the application
            self.failed(error)
            return None
