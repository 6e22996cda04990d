"""The delivery policy: at what rate mails may leave, to whom, and over how many connections.

Names of destinations are domains or providers (`destinations.PROVIDERS`). All of it is settings;
what happened to the mails lately is the gate's (`actors/gate.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import msgspec

from ecrm.delivery.limiter import Limit
from ecrm.delivery.warmup import WarmUp

UTC = ZoneInfo("UTC")


class Policy(msgspec.Struct, frozen=True):
    """`limit` is for all mails together; a `warm_up` counts its days in `zone`."""

    limit: Limit
    limits: Mapping[str, Limit] = {}
    connections: Mapping[str, int] = {}
    warm_up: WarmUp | None = None
    zone: ZoneInfo = UTC
