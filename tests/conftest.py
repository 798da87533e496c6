"""What every test shares."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A machine that also boots others is slow now and then: an example's own time says nothing about the code.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")
