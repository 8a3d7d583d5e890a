"""Traces to look at: each a list of spans that a real system could have reported."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from baggage.boundary import Kind
from metaapps.tracing.span import NO_TAGS, Annotation, Peer, Position, Span

BEGIN: Final = 1_790_000_000_000_000
_ACT: Final = "document.title='owned'"
EVIL: Final = f'</script><img src=x onerror="{_ACT}"><script>{_ACT}</script>'
TRACE: Final = bytes.fromhex("0af7651916cd43dd8448eb211c80319c")


class Sample:
    """Makes the spans of one trace. Span ids count from 1; times are µs after `begin`."""

    def __init__(self, trace: bytes = TRACE, begin: int = BEGIN) -> None:
        self.spans: Final[list[Span]] = []
        self._trace: Final = trace
        self._begin: Final = begin

    def span(
        self,
        parent: int,
        kind: Kind | None,
        service: str,
        name: str,
        begin: int,
        end: int,
        *,
        to: str = "",
        tags: Mapping[str, str] = NO_TAGS,
        notes: Mapping[int, str] | None = None,
        error: str | None = None,
        share: int = 0,
        skew: int = 0,
    ) -> int:
        """Add a span; return its number. `share` is the number of the call that it answers."""
        number = share or len(self.spans) + 1
        position = Position.root(self._trace, number.to_bytes(8, "big"))
        if parent:
            position = position.below(parent.to_bytes(8, "big"))
        start = self._begin + skew
        self.spans.append(
            Span(
                position=position,
                kind=kind,
                name=name,
                timestamp=start + begin,
                duration=end - begin,
                local=Peer(service, f"10.0.0.{len(service)}", 8080),
                remote=Peer(to, "10.0.1.1", 443) if to else Peer(),
                tags=tags,
                annotations=tuple(
                    Annotation(start + at, text) for at, text in (notes or {}).items()
                ),
                error=error,
                shared=bool(share),
            )
        )
        return number

    def call(
        self,
        parent: int,
        service: str,
        to: str,
        name: str,
        begin: int,
        end: int,
        *,
        skew: int = 0,
        tags: Mapping[str, str] = NO_TAGS,
        notes: Mapping[int, str] | None = None,
        error: str | None = None,
    ) -> int:
        """Add both halves of a call; return the number that they share."""
        tags = {"library": "requests", "status": "200", **tags}
        number = self.span(
            parent,
            Kind.CLIENT,
            service,
            name,
            begin,
            end,
            to=to,
            tags=tags,
            notes=notes,
            error=error,
        )
        edge = max(1, (end - begin) // 12)
        self.span(
            parent,
            Kind.SERVER,
            to,
            name,
            begin + edge,
            end - edge,
            tags={"library": "flask", "status": tags["status"]},
            share=number,
            skew=skew,
            error=tags["status"] if tags["status"] >= "500" else None,
        )
        return number


def causal(spans: list[Span]) -> list[Span]:
    """Let spans say what they waited for: siblings that had ended, and before the end all of them.

    That is what the tracer finds out of code that goes on when it has its answers.
    """
    callees: dict[tuple[str | None, str], list[Span]] = defaultdict(list)
    for span in spans:
        if not span.shared:
            callees[span.position.parent_id, span.local.service].append(span)
    served = {span.position.span_id for span in spans if span.shared}
    found = []
    for span in spans:
        position = span.position
        siblings = callees[position.parent_id, span.local.service] if not span.shared else []
        within = callees[position.span_id, span.local.service]
        tags = {
            "causal.after": _last(siblings, span.timestamp),
            "causal.joined": _last(within, ended(span)),
        }
        if span.kind is Kind.CLIENT and position.span_id in served:
            tags["causal.joined"] = position.span_id
        found.append(span._replace(tags=dict(span.tags) | {k: v for k, v in tags.items() if v}))
    return found


def ended(span: Span) -> int:
    return span.timestamp + span.duration


def _last(spans: list[Span], by: int) -> str:
    """Return references to what had ended `by` then, and nothing of it waited for."""
    before = [span for span in spans if span.duration and ended(span) <= by]
    latest = max((span.timestamp for span in before), default=0)
    return ",".join(span.position.span_id for span in before if ended(span) > latest)


def checkout() -> list[Span]:
    """A shop under fault injection: faults, what came of them, a message, a clock that is off."""
    sample = Sample()
    root = sample.span(
        0,
        Kind.SERVER,
        "shop",
        "POST /checkout",
        0,
        184_000,
        tags={"library": "flask", "status": "502"},
        error="502",
    )
    sample.call(
        root,
        "shop",
        "users",
        "GET /users/7",
        2_000,
        21_000,
        skew=-4_200_000,
        notes={3_000: "request sent", 19_500: "response headers received"},
    )
    cart = sample.call(root, "shop", "cart", "GET /cart/7", 23_000, 66_000)
    sample.span(
        cart, Kind.CLIENT, "cart", "HGETALL", 27_000, 33_500, to="redis", tags={"library": "redis"}
    )
    sample.span(
        cart,
        Kind.CLIENT,
        "cart",
        "GET /prices",
        35_000,
        35_400,
        to="prices",
        tags={"library": "requests", "fault.injected": "timeout", "site": "cart.views.prices:41"},
        error="requests.exceptions.ReadTimeout: HTTPConnectionPool(host='prices', port=80): "
        "Read timed out. (read timeout=3)",
    )
    sample.call(cart, "cart", "prices", "GET /prices", 38_000, 60_000)
    sample.span(root, None, "shop", "render invoice", 68_000, 79_000, tags={"lines": "3"})
    pay = sample.call(
        root,
        "shop",
        "payments",
        "POST /charge",
        81_000,
        171_000,
        tags={"status": "503"},
        error="503",
    )
    sample.span(
        pay,
        Kind.CLIENT,
        "payments",
        "/bank.Ledger/Debit",
        91_000,
        160_000,
        to="bank",
        tags={"library": "grpc", "fault.injected": "status 14"},
        error="grpc.RpcError: StatusCode.UNAVAILABLE",
    )
    sent = sample.span(root, Kind.PRODUCER, "shop", "send mail", 173_000, 174_200, to="mail")
    sample.span(sent, Kind.CONSUMER, "mail", "send mail", 205_000, 231_000)
    sample.span(root, Kind.CLIENT, "shop", "GET /recommendations", 174_500, 174_500, to="ads")
    return causal(sample.spans)


def proxy() -> list[Span]:
    """One request, four concurrent calls to the same place, answered out of order."""
    sample = Sample()
    root = sample.span(
        0, Kind.SERVER, "proxy", "GET /object", 0, 42_000, tags={"library": "wsgi", "status": "200"}
    )
    calls = [
        (1_200, 31_000, 27_000),
        (1_500, 14_000, 12_500),
        (1_900, 38_500, 20_000),
        (2_300, 22_000, 21_000),
    ]
    for begin, end, heard in calls:
        sample.call(
            root,
            "proxy",
            "object-server",
            "GET /sda1/AUTH_a/c/o",
            begin,
            end,
            notes={heard: "Response headers received"},
        )
    return causal(sample.spans)


def quorum() -> list[Span]:
    """A read of four replicas that goes on after three answers, and joins the fourth last."""
    sample = Sample()
    root = sample.span(
        0,
        Kind.SERVER,
        "gateway",
        "GET /record/42",
        0,
        61_000,
        tags={"library": "aiohttp.web", "status": "200"},
        notes={24_600: "three of four have answered"},
    )
    for place, end in enumerate((19_000, 12_500, 52_000, 24_500)):
        replica = f"replica-{place + 1}"
        sample.call(root, "gateway", replica, "GET /record/42", 1_000 + 300 * place, end)
    sample.call(root, "gateway", "replica-5", "PUT /record/42", 25_200, 44_000)
    sample.span(root, None, "gateway", "merge versions", 52_400, 59_000)
    return causal(sample.spans)


def large(count: int = 1_000, services: int = 20, seed: int = 7) -> list[Span]:
    """One trace of `count` spans over `services` services; the same for the same seed."""
    draw = random.Random(seed)
    names = [
        f"{place}-{noun}"
        for place, noun in enumerate(
            ["edge", "cart", "users", "stock", "prices", "search", "mail", "bank", "ads", "media"]
            * 9
        )
    ]
    sample = Sample()
    sample.span(0, Kind.SERVER, names[0], "GET /", 0, 2_000_000)
    open_spans = [(1, names[0], 0, 2_000_000)]
    while len(sample.spans) < count - 1:
        parent, service, begin, end = open_spans[int(len(open_spans) * draw.random() ** 1.7)]
        room = (end - begin) // 24
        if room < 40:
            continue
        start = begin + draw.randrange(room, 12 * room)
        stop = min(end - 10, start + draw.randrange(room, 11 * room))
        to = names[draw.randrange(services)]
        wrong = "503" if draw.random() < 0.02 else None
        number = sample.call(
            parent,
            service,
            to,
            f"GET /{to}/{draw.randrange(99)}",
            start,
            stop,
            tags={"status": wrong or "200"},
            error=wrong,
        )
        open_spans.append((number, to, start + (stop - start) // 12, stop - (stop - start) // 12))
    while len(sample.spans) < count:
        sample.span(1, None, names[0], "render", 1_990_000, 1_999_000)
    return causal(sample.spans)


def hostile() -> list[Span]:
    """Strings that would run, end or reshape the page if anything but text were made of them."""
    sample = Sample()
    sample.span(
        0,
        Kind.SERVER,
        EVIL,
        f"{EVIL}\u2028\u2029\x00\ud800",
        0,
        1_000,
        to=EVIL,
        tags={EVIL: EVIL, "__proto__": "x", "style": "</style>"},
        notes={10: EVIL},
        error=EVIL,
    )
    return sample.spans
