"""What makes two runs the same search: their test, their faults and the options that steer them.

Reading files and options is the command line's business; here are only the values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The test as it is named, digests of `contents` by what they are of, and `options` by name.

    `scope` names those of the options and contents that decide what an execution does: a failure
    under one plan is known to other runs of the same test that agree on them.
    """

    test: str
    contents: Mapping[str, str]
    options: Mapping[str, str]
    scope: tuple[str, ...] = ()

    def encoded(self) -> str:
        """Return this as text; `decode` reads it."""
        return json.dumps([self.test, dict(self.contents), dict(self.options), self.scope])

    def scope_key(self) -> bytes:
        """Return what is equal for runs whose executions can be compared."""
        both = {**self.contents, **self.options}
        told = json.dumps([self.test, *((name, both.get(name, "")) for name in self.scope)])
        return blake2b(told.encode(), digest_size=16).digest()

    def differences(self, before: Fingerprint) -> Iterator[str]:
        """Yield in words what is not as it was."""
        for name in sorted(self.contents.keys() | before.contents.keys()):
            if self.contents.get(name) != before.contents.get(name):
                yield f"{name} changed"
        for name in sorted(self.options.keys() | before.options.keys()):
            now, then = self.options.get(name, "none"), before.options.get(name, "none")
            if now != then:
                yield f"{name} was {then} and is {now}"


def decode(text: str) -> Fingerprint:
    """Return what `encoded` wrote; ValueError for anything else."""
    test, contents, options, scope = json.loads(text)
    return Fingerprint(test, contents, options, tuple(scope))
