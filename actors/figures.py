"""Figures: how the service is doing, in numbers, and whether it can do its work.

The one place that gathers them. `/metrics` writes them for Prometheus (`actors/exposition.py`), the
console's `status` for a person; neither counts anything itself. What happens often is counted where
it happens, in plain numbers; what the store knows is read when somebody asks, by statements that do
not grow with the customers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec
import trio

from actors import memory
from actors.clock import Clock
from actors.delivery import Delivery
from actors.gate import Outlook, told
from actors.gateway import Gateway
from actors.keys import Keyring
from actors.meter import Meter
from actors.outside import Outside, Waits
from actors.pulse import Pulse
from actors.returns import Returns
from actors.store import port
from actors.system import System
from actors.tally import Tally
from ecrm.errors import StoreBroken
from ecrm.moment import Duration, Instant, format_instant

# The parts without which nothing is decided or sent.
NEEDED: Final = ("system", "alarms", "delivery")
# Seconds. What is asked of the store takes milliseconds, and waits for one commit at most.
STUCK: Final = 10.0


class Parts(Protocol):
    """What is looked at; `at_work` are the names of the parts that run."""

    store: port.Store
    clock: Clock
    outside: Outside
    system: System
    delivery: Delivery
    returns: Returns
    gateway: Gateway
    keyring: Keyring
    pulse: Pulse
    at_work: set[str]


class Reading(msgspec.Struct, frozen=True):
    """The figures of one instant; what is counted is counted since the start. `refused` are events
    that the intake had no room for, `refusals` what will never be taken, by code; `overdue` is how
    long the first alarm has been due, `late` the latest that the loop woke in the last minute,
    `memory` is in bytes, `outlook` how destinations may be written to.
    """

    at: Instant
    meter: Meter
    tally: Tally
    refused: int
    refusals: Mapping[str, int]
    logins: Mapping[str, int]
    returns: Mapping[str, int]
    poisoned: int
    failures: int
    waiting: int
    waiting_bytes: int
    active: int
    held: int
    overdue: Duration
    queue: tuple[port.QueueCount, ...]
    pauses: int
    resting: int
    broken: bool
    connections: int
    late: float
    waits: Waits
    memory: int
    outlook: tuple[Outlook, ...]
    breaker: str

    @property
    def by_state(self) -> dict[str, int]:
        """The mails of the queue, of all lanes together."""
        counts: Counter[str] = Counter()
        for row in self.queue:
            counts[row.state] += row.count
        return dict(counts)


class Figures:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        # Since when the store owes an answer, in trio's seconds.
        self._asked_at: float | None = None

    @property
    def refusals(self) -> Counter[str]:
        """Where every door counts what it rejects, by code."""
        return self._parts.gateway.refusals

    async def read(self) -> Reading:
        """Raises StoreBroken."""
        parts = self._parts
        system, delivery = parts.system, parts.delivery
        queue, held = await parts.store.queue_counts(), await parts.store.holds()
        alarm, now = await parts.store.next_alarm(), parts.clock.now()
        return Reading(
            at=now,
            meter=system.meter,
            tally=delivery.tally,
            refused=system.intake.refused,
            refusals=self.refusals,
            logins=parts.keyring.shown,
            returns=parts.returns.counts,
            poisoned=system.poisoned,
            failures=system.failures,
            waiting=len(system.intake),
            waiting_bytes=system.intake.bytes,
            active=system.active,
            held=len(held),
            overdue=Duration(0 if alarm is None else max(0, now - alarm)),
            queue=tuple(queue),
            pauses=len(delivery.gate.pauses),
            resting=len(delivery.gate.destinations.resting(now)),
            broken=delivery.gate.breaker.is_open(now),
            connections=len(parts.gateway.connections),
            late=parts.pulse.latest,
            waits=parts.outside.waits(),
            memory=memory.resident(),
            outlook=tuple(delivery.gate.outlook(now)),
            breaker=told(delivery.gate.breaker, now),
        )

    async def unready(self) -> dict[str, str]:
        """Why the service cannot do its work, by part; empty where it can."""
        parts = self._parts
        found = {name: "it does not run" for name in NEEDED if name not in parts.at_work}
        if parts.system.bell.stopping:
            found["system"] = "it is stopping"
        reason = await self._store_trouble()
        if reason:
            found["store"] = reason
        now, breaker = parts.clock.now(), parts.delivery.gate.breaker
        if breaker.is_open(now):
            until = format_instant(breaker.until)
            found["transport"] = f"it refuses us until {until} or longer: {breaker.why}"
        return found

    async def _store_trouble(self) -> str:
        if self._parts.system.failures:
            return "it did not take the last commit"
        if self._asked_at is not None:
            # Whoever asks as well would only wait as long.
            waited = trio.current_time() - self._asked_at
            return f"no answer for {waited:.0f} s" if waited > STUCK else ""
        self._asked_at = trio.current_time()
        try:
            await self._parts.store.next_alarm()
        except StoreBroken as error:
            return str(error)
        finally:
            self._asked_at = None
        return ""
