"""Random programs on baggage: what a distributed application may do with it, and what it may not.

Belongs here: the kinds of step, and which of them a program may have. Does not: what is true after
them (`oracle`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hypothesis import strategies as st

from baggage.values import Key
from tests.values.oracle import KEYS, MAP, Line, World


@dataclass(frozen=True)
class Step:
    """One step of a program; the numbers choose lines, values and widths, modulo what there is."""

    kind: str
    one: int
    other: int
    key: Key


@dataclass
class Run:
    """All values of one program: those that go on, and those that were used up."""

    world: World = field(default_factory=World)
    live: list[Line] = field(default_factory=lambda: [Line()])
    past: list[Line] = field(default_factory=lambda: [Line()])

    def run(self, program: list[Step]) -> Iterator[list[Line]]:
        """Run a program; yield the lines that each step makes."""
        for step in program:
            if not self.live:
                self.live.append(Line())
            yield _STEPS[step.kind](self, step)

    def chosen(self, step: Step) -> Line:
        return self.live[step.one % len(self.live)]

    def former(self, step: Step) -> Line:
        return self.past[step.other % len(self.past)]

    def replace(self, step: Step, *lines: Line) -> list[Line]:
        """Use up the first chosen line, and go on with others."""
        index = step.one % len(self.live)
        self.past.append(self.live[index])
        self.live[index : index + 1] = lines
        return list(lines)

    def add(self, *lines: Line) -> list[Line]:
        self.live += lines
        return list(lines)

    def second(self, step: Step) -> Line | None:
        """Take another live line than the chosen one out; None where there is none."""
        index = step.other % len(self.live)
        if index == step.one % len(self.live):
            return None
        return self.live[index]

    def use_up(self, line: Line) -> None:
        self.past.append(line)
        del self.live[next(at for at, each in enumerate(self.live) if each is line)]


def _split(run: Run, step: Step) -> list[Line]:
    return run.replace(step, *run.world.split(run.chosen(step)))


def _fan_out(run: Run, step: Step) -> list[Line]:
    return run.replace(step, *run.world.split(run.chosen(step), 2 + step.other % 5))


def _join(run: Run, step: Step) -> list[Line]:
    other = run.second(step)
    if other is None:
        return []
    made = run.replace(step, run.world.join(run.chosen(step), other))
    run.use_up(other)
    return made


def _pack(run: Run, step: Step) -> list[Line]:
    return run.replace(step, run.world.pack(run.chosen(step), step.key, step.other))


def _set(run: Run, step: Step) -> list[Line]:
    return run.replace(step, run.world.put(run.chosen(step), step.key, step.other))


def _remove(run: Run, step: Step) -> list[Line]:
    return run.replace(step, run.world.remove(run.chosen(step), step.key))


def _remove_map(run: Run, step: Step) -> list[Line]:
    return run.replace(step, run.world.remove(run.chosen(step), MAP))


def _remove_value(run: Run, step: Step) -> list[Line]:
    return run.replace(step, run.world.remove_value(run.chosen(step), step.key, step.other))


def _lend(run: Run, step: Step) -> list[Line]:
    return run.replace(step, *run.world.lend(run.chosen(step)))


def _home(run: Run, step: Step) -> list[Line]:
    """Bring home a branch and its ids, by bytes."""
    other = run.second(step)
    if other is None:
        return []
    made = run.replace(step, run.world.home(run.chosen(step), other, copies=1))
    run.use_up(other)
    return made


def _double(run: Run, step: Step) -> list[Line]:
    """The same, and its message is delivered more than once."""
    other = run.second(step)
    if other is None:
        return []
    made = run.replace(step, run.world.home(run.chosen(step), other, copies=2 + step.other % 2))
    run.use_up(other)
    return made


def _peek(run: Run, step: Step) -> list[Line]:
    return run.add(run.world.peek(run.chosen(step)))


def _wire(run: Run, step: Step) -> list[Line]:
    """Send a message: there is a copy without ids at the other end."""
    return run.add(run.world.sent(run.chosen(step), read=step.other % 2 == 0))


def _move(run: Run, step: Step) -> list[Line]:
    """Go on at the other end of a wire."""
    return run.replace(step, run.world.sent(run.chosen(step), read=step.other % 2 == 0))


def _respond(run: Run, step: Step) -> list[Line]:
    """Join what a branch returned by wire, while the branch goes on."""
    other = run.live[step.other % len(run.live)]
    brief, read = divmod(step.other // len(run.live) % 4, 2)
    answered = run.world.responded(run.chosen(step), other, read=bool(read), brief=bool(brief))
    return run.replace(step, answered)


def _lose(run: Run, step: Step) -> list[Line]:
    return run.replace(step)


def _stale(run: Run, step: Step) -> list[Line]:
    """Go on with a value that was used up."""
    return run.add(run.former(step))


def _rejoin(run: Run, step: Step) -> list[Line]:
    return run.replace(step, run.world.join(run.chosen(step), run.former(step)))


def _share(run: Run, step: Step) -> list[Line]:
    """Let two branches use one value, without a split."""
    return run.add(run.chosen(step))


def _copy(run: Run, step: Step) -> list[Line]:
    return run.add(run.world.copy(run.chosen(step), step.other))


def _trim(run: Run, step: Step) -> list[Line]:
    """Send a message over a wire that may have no room for all."""
    return run.add(run.world.trimmed(run.chosen(step), step.other))


def _trim_lent(run: Run, step: Step) -> list[Line]:
    """The same, and its ids are to go along: they stay with neither if there is no room."""
    return run.replace(step, run.world.trimmed(run.chosen(step), step.other, lending=True))


WRITES = ("pack", "pack", "pack", "pack", "set", "remove", "remove_value", "remove_map")
STRUCTURED = ("split", "split", "fan_out", "join", "join", "join", "lend", "home", *WRITES)
LOSSY = (*STRUCTURED, "peek", "wire", "move", "respond", "double", "lose")
STALE = (*LOSSY, "stale", "rejoin", "share", "copy")
TRIMMED = (*STALE, "trim", "trim", "trim_lent")

_STEPS: dict[str, Callable[[Run, Step], list[Line]]] = {
    "split": _split,
    "fan_out": _fan_out,
    "join": _join,
    "pack": _pack,
    "set": _set,
    "remove": _remove,
    "remove_map": _remove_map,
    "remove_value": _remove_value,
    "lend": _lend,
    "home": _home,
    "double": _double,
    "peek": _peek,
    "wire": _wire,
    "move": _move,
    "respond": _respond,
    "lose": _lose,
    "stale": _stale,
    "rejoin": _rejoin,
    "share": _share,
    "copy": _copy,
    "trim": _trim,
    "trim_lent": _trim_lent,
}


@st.composite
def programs(draw: st.DrawFn, kinds: tuple[str, ...]) -> list[Step]:
    """Return programs of up to 60 steps of these kinds, under a few keys each."""
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=3))
    numbers = st.integers(0, 1 << 16)
    steps = st.builds(Step, st.sampled_from(kinds), numbers, numbers, st.sampled_from(keys))
    size = draw(st.integers(0, 60))
    return draw(st.lists(steps, min_size=size, max_size=size))


def ran(program: list[Step]) -> Run:
    """Return what is there after a program."""
    run = Run()
    for _ in run.run(program):
        pass
    return run
