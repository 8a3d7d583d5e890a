"""Start the services of a deployment, wait until all are ready, and end them again.

The launcher listens for every service before it starts any and passes the listening sockets on.
So no port is raced for, and services may call one another in any order from the first moment.
"""

from __future__ import annotations

import http.client
import signal
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

from baggage.context import suppressed
from metaapps.filibuster.printable import printable
from metaapps.filibuster.services.deployment import Deployment, Service, ServicesError, url_variable
from metaapps.filibuster.services.link import Event, Link, SupervisorGoneError
from metaapps.filibuster.services.process import Process, end
from metaapps.filibuster.services.supervisor import Order
from metaapps.filibuster.settings import parent_environment

HOST: Final = "127.0.0.1"
READY_WITHIN: Final = 120.0
SUPERVISOR_LOG: Final = "_supervisor.log"  # no service's name starts like this

_ANSWER_WITHIN: Final = 2.0
_PAUSE: Final = 0.02
_LAST_LINES: Final = 20

Written = Mapping[Path, int]
"""How many bytes there were in services' logs at some time."""
NOTHING: Final[Written] = MappingProxyType({})


class Running:
    """The services of a deployment while they run; as a context manager, ends them on the way out.

    `environment` maps FOO_URL and the like to the services' addresses, and `key` is the run's key.
    `names` maps those addresses, as "host:port", to the services' names. They also end with this
    process, even if it is killed.
    """

    def __init__(
        self, link: Link, deployment: Deployment, urls: Mapping[str, str], key: str, logs: Path
    ) -> None:
        self.environment = urls
        self.key = key
        self.names = addresses(urls, (service.name for service in deployment.services))
        self._deployment = deployment
        self._link = link
        self._logs = logs
        self._started: dict[str, Process] = {}
        self._ended: dict[str, str] = {}

    @property
    def supervisor(self) -> Process:
        return self._link.process

    @property
    def processes(self) -> tuple[Process, ...]:
        return tuple(self._started.values())

    def ended(self) -> Mapping[str, str]:
        """Return the services that ended by themselves before `stop`, with how ("exit code 1")."""
        self._listen(0.0)
        return MappingProxyType(self._ended)

    def silenced(self) -> str:
        """Return the first service that serves and does not answer now, "" if there is none."""
        for service in self._deployment.services:
            port = _port_of(service, self.environment)
            if not (service.silent or _answers(service, port, whatever=True)):
                return service.name
        return ""

    def refuses(self, name: str) -> bool:
        """Say whether nobody can connect to a service."""
        return all(is_refused(address) for address, known in self.names.items() if known == name)

    def written(self) -> Written:
        """Return how much each service wrote so far."""
        return written(self._logs, (service.name for service in self._deployment.services))

    def last_words(self, name: str, since: Written = NOTHING) -> str:
        """Return the last lines that a service wrote `since` then."""
        return last_lines(self._logs, name, since)

    def stop(self) -> None:
        """End every process of every service; harmless if they have ended."""
        self._link.end()
        # Nothing is left to do here, unless the supervisor itself was killed.
        end(self.processes)

    def detach(self) -> None:
        """Let the services outlive this process; from now on they are not ours to stop."""
        self._link.detach()
        self._started.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _wait_started(self, services: tuple[Service, ...]) -> None:
        while len(self._started) < len(services):
            self._listen(READY_WITHIN)

    def _wait_ready(self, service: Service, within: float, given_up: Callable[[], bool]) -> None:
        port = _port_of(service, self.environment)
        until = time.monotonic() + within
        while not self._is_ready(service, port):
            self._listen(_PAUSE)
            if given_up():
                raise ServicesError("nobody waits for the services any more")
            if self._ended:
                name, how = next(iter(self._ended.items()))
                raise ServicesError(
                    f"service {name!r} ended with {how} before it was ready{self._output(name)}"
                )
            if time.monotonic() > until:
                raise ServicesError(
                    f"service {service.name!r} did not {_wanted(service)} within {within:g} s"
                    f"{self._output(service.name)}"
                )

    def _is_ready(self, service: Service, port: int) -> bool:
        if not service.silent:
            return _answers(service, port)
        return not service.says or service.says in self._log(service.name)

    def _log(self, name: str) -> str:
        return (self._logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def _listen(self, within: float) -> None:
        try:
            for event in self._link.events(within):
                self._note(event)
        except SupervisorGoneError as error:
            raise ServicesError(f"{error}; see {self._logs / SUPERVISOR_LOG}") from error

    def _note(self, event: Event) -> None:
        if "started" in event:
            name = event["started"]
            self._started[name] = Process.of(name, event["pid"])
        elif "failed" in event:
            raise ServicesError(f"cannot start service {event['failed']!r}: {event['error']}")
        else:
            self._ended[event["ended"]] = _ending(event["code"])

    def _output(self, name: str) -> str:
        log = self._logs / f"{name}.log"
        words = self.last_words(name)
        if not words:
            return f"; it wrote nothing to {log}"
        return f"; the end of {log}:\n" + "\n".join(f"  {line}" for line in words.splitlines())


def start(
    deployment: Deployment,
    key: str,
    log_dir: Path | str,
    *,
    ready_within: float = READY_WITHIN,
    where: Mapping[str, str] | None = None,
    given_up: Callable[[], bool] = lambda: False,
) -> Running:
    """Start every service and return when each answers, or has said what it says.

    `key` is the run's key, which switches fault injection on in the services. What a service
    writes goes to `<name>.log` in `log_dir`. Each service has `ready_within` seconds to answer
    once those before it do; if one doesn't, or ends, all are ended and a ServicesError says what
    it wrote last; so it is once they are `given_up`. Services get the addresses that they have in
    `where`, an earlier `environment`, as far as nobody has taken those meanwhile.
    """
    logs = Path(log_dir).absolute()
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as listening:
        sockets = {
            service.name: listening.enter_context(_listening_socket(_port_of(service, where or {})))
            for service in deployment.services
        }
        urls = MappingProxyType(
            {
                service.url_variable: f"http://{HOST}:{sockets[service.name].getsockname()[1]}"
                for service in deployment.services
            }
        )
        orders = [
            _order(service, sockets[service.name], deployment.directory, urls, key, logs)
            for service in deployment.services
        ]
        link = Link(logs / SUPERVISOR_LOG, [order["fd"] for order in orders])
        running = Running(link, deployment, urls, key, logs)
        try:
            link.order(orders)
            running._wait_started(deployment.services)
            # A service that ends must refuse connections, so its socket can't stay open here.
            listening.close()
            for service in deployment.services:
                running._wait_ready(service, ready_within, given_up)
        except BaseException:
            running.stop()
            raise
    return running


def _listening_socket(port: int) -> socket.socket:
    """Return a socket that listens on a port if that is free, else on any."""
    with suppress(OSError):
        return socket.create_server((HOST, port), backlog=socket.SOMAXCONN)
    return socket.create_server((HOST, 0), backlog=socket.SOMAXCONN)


def _port_of(service: Service, environment: Mapping[str, str]) -> int:
    """Return where a service listens, 0 if that is not known."""
    return int(environment.get(service.url_variable, ":0").rpartition(":")[2])


def addresses(urls: Mapping[str, str], names: Iterable[str]) -> Mapping[str, str]:
    """Return the services' names by their addresses, "host:port"; `urls` has FOO_URL and so on."""
    known = ((urls.get(url_variable(name), ""), name) for name in names)
    return {url.removeprefix("http://"): name for url, name in known if url}


def written(logs: Path, names: Iterable[str]) -> Written:
    """Return how much services wrote to their logs so far."""
    return {path: _size(path) for path in (logs / f"{name}.log" for name in names)}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def last_lines(logs: Path, name: str, since: Written = NOTHING) -> str:
    """Return the last lines that a service wrote to its log, without colours and the like.

    Only those that it wrote `since` then count; of a log that was begun later, all.
    """
    path = logs / f"{name}.log"
    try:
        with path.open("rb") as log:
            log.seek(since.get(path, 0))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return printable("\n".join(text.splitlines()[-_LAST_LINES:]))


def is_refused(address: str) -> bool:
    """Say whether nobody listens at an address, "host:port"."""
    host, _, port = address.rpartition(":")
    try:
        with suppressed():
            socket.create_connection((host, int(port)), _ANSWER_WITHIN).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        pass
    return False


def _order(
    service: Service,
    listening: socket.socket,
    directory: Path,
    urls: Mapping[str, str],
    key: str,
    logs: Path,
) -> Order:
    fd, port = listening.fileno(), listening.getsockname()[1]
    own = {"SERVICE_FD": str(fd), "BAGGAGE_SERVICE": service.name, "FILIBUSTER_KEY": key}
    return Order(
        name=service.name,
        command=service.arguments(fd=fd, port=port),
        directory=str(directory),
        # Unbuffered, so that the log has the last words of a service that is ended.
        environment={"PYTHONUNBUFFERED": "1", **parent_environment(), **urls, **service.env, **own},
        fd=fd,
        log=str(logs / f"{service.name}.log"),
    )


def _wanted(service: Service) -> str:
    if service.silent:
        return f"say {service.says!r}"
    return f"answer GET {service.ready or '/'}" + (
        " with a status below 500" if service.ready else ""
    )


def _answers(service: Service, port: int, *, whatever: bool = False) -> bool:
    """Say whether a service answers as it does when it's ready, or `whatever` it is."""
    connection = http.client.HTTPConnection(HOST, port, timeout=_ANSWER_WITHIN)
    try:
        with suppressed():
            connection.request("GET", service.ready or "/")
            status = connection.getresponse().status
    except http.client.RemoteDisconnected:
        return False
    except (http.client.BadStatusLine, http.client.LineTooLong):
        return whatever or service.ready is None  # an answer in another protocol, such as gRPC's
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return whatever or service.ready is None or status < 500


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
