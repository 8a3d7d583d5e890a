"""Sessions: named, low-rate state that a user sets and sees, such as a test's settings.

Belongs here: overriding settings for a block, the name of the current test session, and sandboxes
for synchronous tests. Does not: anything that is read or written at a hop (`branch`); who only
reads overrides asks `overrides`. Import this module where it is needed: nothing in `baggage` does,
because contextvars-extras takes longer to import than all of `baggage.context`.

Of contextvars-extras, use neither `bind_to_snapshot_context`, which drops positional arguments of
calls, nor `deferred_default`, which raises in other threads.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ClassVar, Final, ParamSpec, TypeVar

from contextvars_extras import ContextVarsRegistry
from contextvars_extras.context_management import bind_to_sandbox_context
from contextvars_extras.context_var_descriptor import ContextVarDescriptor

from baggage.context.branch import Branch
from baggage.context.overrides import VARIABLES
from baggage.context.running import branch, enter

_RUN_LATER: Final = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)

P = ParamSpec("P")
R = TypeVar("R")


class Session(ContextVarsRegistry):  # type: ignore[misc]  # the library ships no types
    """What is overridden in this context; None where nothing is. Made once, as `current`.

    Attributes are context variables, so setting one without `overridden` lasts as long as the
    context does.
    """

    _registry_allocate_on_setattr: ClassVar[bool] = False

    name = ContextVarDescriptor.from_existing_var(VARIABLES["name"])
    strict = ContextVarDescriptor.from_existing_var(VARIABLES["strict"])
    budget = ContextVarDescriptor.from_existing_var(VARIABLES["budget"])
    service = ContextVarDescriptor.from_existing_var(VARIABLES["service"])


current: Final = Session()


@contextmanager
def overridden(
    *,
    name: str | None = None,
    strict: bool | None = None,
    budget: int | None = None,
    service: str | None = None,
) -> Iterator[Session]:
    """Override settings within a block; what isn't given stays as it is around the block.

    `name` names the session, `budget` is in bytes of header. Blocks may be nested, and threads and
    tasks don't disturb one another. A generator must not hold the block open across a `yield`.
    """
    given = {"name": name, "strict": strict, "budget": budget, "service": service}
    with current(**{which: value for which, value in given.items() if value is not None}):
        yield current


def sandboxed(test: Callable[P, R]) -> Callable[P, R]:
    """Run each call of a synchronous function in a context and a branch of its own.

    It sees what surrounds it, and nothing that it sets or packs is seen outside. Raise `TypeError`
    for coroutine functions and generators: they run after the sandbox has closed. An asyncio task
    has a context of its own anyway.
    """
    if any(runs_later(test) for runs_later in _RUN_LATER):
        raise TypeError(f"{test!r} runs after its sandbox has closed: sandbox plain functions only")

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        around = branch()
        # The branch itself is shared by copies of a context.
        if around is not None:
            enter(Branch(around.baggage.departing(), around.service, muted=around.muted))
        return test(*args, **kwargs)

    sandboxed_run: Callable[P, R] = bind_to_sandbox_context(run)
    return sandboxed_run
