"""Which lines of the services ran, and under which fault plan.

Empty on purpose: services import `arrival` alone, and what reads the results needs coverage.py.
"""

__all__: list[str] = []
