"""A plugin of pytest: a profile of hypothesis that finds a failure and leaves it at that."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "quickly",
    deadline=None,
    max_examples=200,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
