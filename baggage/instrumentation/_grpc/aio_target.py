"""Where a channel of the event loop's library leads, in versions whose channels don't say.

Those that were made before stay places that nobody knows.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any, Final

from baggage.instrumentation._grpc.client import TARGET
from baggage.instrumentation._grpc.private import aio_channel, core
from baggage.instrumentation._patching import Switch, wrap

_STUBS: Final = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def follow_targets(switch: Switch) -> None:
    """Have what channels make know where these lead, where it wouldn't by itself."""
    if hasattr(core.AioChannel, "target"):
        return
    parameters = signature(aio_channel.Channel.__init__)

    def made(
        wrapped: Callable[..., None], channel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        wrapped(*args, **kwargs)
        vars(channel)[TARGET] = parameters.bind(channel, *args, **kwargs).arguments["target"]

    wrap(aio_channel.Channel, "__init__", switch, made)
    for name in _STUBS:
        wrap(aio_channel.Channel, name, switch, _stub)


def _stub(
    wrapped: Callable[..., Any], channel: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    stub = wrapped(*args, **kwargs)
    if TARGET in vars(channel):
        vars(stub)[TARGET] = vars(channel)[TARGET]
    return stub
