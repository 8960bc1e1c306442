import os

from hypothesis import HealthCheck, settings

# A shared machine may be slow at any moment: time is no fault. What CI has seen fail must fail again.
settings.register_profile(
    "suite", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=os.environ.get("CI") == "true"
)
settings.load_profile("suite")
