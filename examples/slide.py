"""The slide that explains baggage: two branches pack at the same time, and a join loses nothing.

Run it with `python -m examples.slide`.
"""

from __future__ import annotations

from threading import Thread

import baggage


def work(branch: baggage.Branch, value: int) -> None:
    """Do one branch's part, in a thread of its own."""
    with baggage.attached(branch):
        baggage.pack("list", value)


def main() -> None:
    with baggage.attached(baggage.Baggage()):
        baggage.pack("list", 10)
        print("pack 10           ", baggage.unpack("list"))

        left, right = baggage.split()
        print("split")

        # The left branch is this thread's own; the right one may run anywhere.
        elsewhere = Thread(target=work, args=(right, 5))
        elsewhere.start()
        baggage.pack("list", 20)
        elsewhere.join()
        print("  left  packs 20  ", left.unpack("list"))
        print("  right packs 5   ", right.unpack("list"))

        baggage.join(right)
        print("join              ", baggage.unpack("list"))

        baggage.pack("list", 8)
        print("pack 8            ", baggage.unpack("list"))


if __name__ == "__main__":
    main()
