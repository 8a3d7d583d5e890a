"""Pipelines: several entries that leave at once, with a publication each.

An entry that is dropped is left out; where one meets a connection that fails, all of them do.
Belongs here: what is asked before, and told after, all commands are sent together.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from baggage.boundary import Boundary, Outcome, Publication, Raised, deliver
from baggage.instrumentation._redis.adapters import PRODUCING, Addition
from baggage.instrumentation._redis.commands import ADDING, is_stream, words
from baggage.instrumentation._redis.reading import Reader, Reading

_log = logging.getLogger("baggage.instrumentation")
Command = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(slots=True)
class _Part:
    """One entry; `decided` is what came of it without being sent."""

    addition: Addition
    publication: Publication
    decided: Outcome | None = None


class Several:
    """What a pipeline has to send, by the place in it. `delay` is to be waited for before."""

    def __init__(self, boundary: Boundary, reader: Reader, pipeline: Any) -> None:
        """Find what concerns us; nothing is asked yet."""
        self._pipeline = pipeline
        self._commands: list[Command] = list(pipeline.command_stack)
        self._parts: dict[int, _Part] = {}
        self._readings: dict[int, Reading] = {}
        self._again: list[Command] = []
        self.delay = self.left = 0.0
        for place, (args, options) in enumerate(self._commands):
            if not is_stream(args):
                continue
            if words(args)[0] == ADDING:
                self._add(boundary, place, args, options)
            elif (reading := reader.ask(pipeline, args)) is not None:
                self._readings[place] = reading

    def __bool__(self) -> bool:
        return bool(self._parts or self._readings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for part in self._parts.values():
            part.publication.close()

    def begin(self) -> None:
        """Ask the flows, and put on the pipeline what is sent then; raise where nothing is."""
        for part in self._parts.values():
            publication = part.publication
            outcome = publication.begin()
            if outcome is None:
                self.delay = max(self.delay, publication.delay)
                continue
            part.decided = publication.end(outcome)
            if isinstance(part.decided, Raised):
                self.failed(part.decided.error)
                deliver(part.decided)
        self._pipeline.command_stack[:] = [
            self._command(place)
            for place in range(len(self._commands))
            if not self._is_decided(place)
        ]

    def failed(self, error: BaseException) -> None:
        """Tell the flows that nothing was sent, or nothing was heard of it."""
        for part in self._parts.values():
            if part.decided is None:
                part.decided = part.publication.end(part.publication.raised(error))

    def answers(self, came: list[Any], *, raising: bool) -> list[Any]:
        """Tell the flows what was answered; return all answers, or raise the first error."""
        coming = iter(came)
        answers = [
            None if self._is_decided(place) else next(coming)
            for place in range(len(self._commands))
        ]
        for place, reading in self._readings.items():
            answers[place] = reading.seen(answers[place])
            self.left = max(self.left, reading.left)
        for place, part in self._parts.items():
            outcome = part.decided or _told(part.publication, answers[place])
            if isinstance(outcome, Raised) and outcome.error is not answers[place]:
                deliver(outcome)
            answers[place] = outcome.error if isinstance(outcome, Raised) else outcome.value
        if raising:
            self._pipeline.raise_first_error(self._commands, answers)
        return answers

    def repeats(self) -> bool:
        """Say whether entries are to be sent once more; they are on the pipeline then."""
        self._pipeline.command_stack[:] = self._again
        return bool(self._again)

    def not_repeated(self, error: Exception) -> None:
        """Log why entries were sent but once."""
        _log.warning("message not repeated", extra={"reason": repr(error)})

    def _add(
        self, boundary: Boundary, place: int, args: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        addition = Addition.of(self._pipeline, args)
        publication = None if addition is None else boundary.publish(PRODUCING, addition)
        if addition is not None and publication is not None:
            self._parts[place] = _Part(addition, publication)
            publication.repeatable(lambda: self._again.append((addition.with_headers(), options)))

    def _command(self, place: int) -> Command:
        args, options = self._commands[place]
        part = self._parts.get(place)
        return (args if part is None else part.addition.with_headers()), options

    def _is_decided(self, place: int) -> bool:
        part = self._parts.get(place)
        return part is not None and part.decided is not None


def _told(publication: Publication, answer: Any) -> Outcome:
    if isinstance(answer, Exception):
        return publication.end(publication.raised(answer))
    publication.happen(lambda: answer)
    return publication.end(publication.answered(answer))
