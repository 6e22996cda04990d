"""How Hypothesis looks for lives that break a law: more of them at night, always the same in CI."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A machine that is busy is no bug: no example has a deadline. What is slow shows in `--durations`.
settings.register_profile(
    "here", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60
)
settings.register_profile("ci", settings.get_profile("here"), derandomize=True, database=None)
# `HYPOTHESIS_PROFILE=night pytest tests/ecrm/test_laws.py`
settings.register_profile("night", settings.get_profile("here"), max_examples=5_000)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if "CI" in os.environ else "here")
)
