"""`import baggage.auto` instruments this process: `baggage.instrument()` as an import.

For programs where no function can be called first, and what `baggage run` has every Python import
that it starts. Takes no arguments: settings say what is instrumented. It may come after any other
import, and more than once.
"""

from baggage.runtime import PROCESS

PROCESS.instrument()
