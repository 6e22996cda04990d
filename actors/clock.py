"""The one clock: what time it is, and the one way to wait for a time.

Domain time is UTC milliseconds. Three clocks give it:

- `WallClock` (production) naps at most thirty seconds and looks again, which covers NTP steps,
  suspended laptops and paused virtual machines in one rule.
- `TrioClock` (tests) is an epoch plus trio's own time: a story on the virtual clock is exact.
- `WarpClock` (`serve --warp`, `replay`) can be pushed forward: `advance` goes from one awaited
  instant to the next and lets everything due there be done before it goes on.

Whoever waits does so on a `Bell` of the clock: it rests until it is rung or its instant comes. That
is what makes `settled` exact: when every bell rests and nothing is under way, nothing more will
happen at this instant.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

import trio

from ecrm.moment import NEVER, Instant

NAP: Final = 30.0


class Nudged(Protocol):
    """Whoever reads rows that others write: told that there is one, so as not to look in vain."""

    def expect(self, at: Instant) -> None:
        """There is a row that is due then. It may be told twice, or for nothing."""
        ...


class Bell:
    """One sleeper's way to wait: until rung, or until an instant of the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = trio.Event()
        self._rung = False
        self._resting = False
        self.until: Instant = NEVER
        self.stopping = False

    def stop(self) -> None:
        """Ask the sleeper to end once it has done what it has in hand."""
        self.stopping = True
        self.ring()

    def ring(self) -> None:
        """Wake the sleeper now, or as soon as it would rest. May be called from anywhere in the
        trio thread.
        """
        self._rung = True
        self._event.set()

    def expect(self, at: Instant) -> None:
        """There is something to look at from `at` on: wake the sleeper then, if not before."""
        if not self._resting or at <= self._clock.now():
            self.ring()
        elif at < self.until:
            self.until = at
            self.rouse()

    @property
    def idle(self) -> bool:
        """It rests, was not rung, and its instant has not come."""
        return self._resting and not self._rung and self.until > self._clock.now()

    def rouse(self) -> None:
        """Let the sleeper look at the clock again, because time has moved."""
        self._event.set()

    async def rest(self, until: Instant | None = None) -> None:
        """Wait until rung or until the instant `until`; a ring from before counts once."""
        self.until = NEVER if until is None else until
        self._resting = True
        try:
            while not self._rung and self.until > self._clock.now():
                self._event = trio.Event()
                self._clock.quietened()
                # Time may have passed since it was looked at: patience is never negative.
                with trio.move_on_after(max(0.0, self._clock.patience(self.until))):
                    await self._event.wait()
            # The checkpoint keeps a sleeper whose instant is always past from starving the rest.
            await trio.lowlevel.checkpoint()
        finally:
            self._resting = False
            self._rung = False


class Clock(ABC):
    """What all clocks share: their bells and the count of what is under way."""

    def __init__(self) -> None:
        self._bells: list[Bell] = []
        self._under_way = 0
        self._quiet = trio.Event()

    @abstractmethod
    def now(self) -> Instant: ...

    @abstractmethod
    def patience(self, until: Instant) -> float:
        """How many of trio's seconds to sleep before looking at the clock again."""

    def bell(self) -> Bell:
        bell = Bell(self)
        self._bells.append(bell)
        return bell

    def dismiss(self, bell: Bell) -> None:
        """The sleeper is gone for good."""
        self._bells.remove(bell)
        self.quietened()

    @contextmanager
    def working(self) -> Iterator[None]:
        """While inside, something is under way that no bell tells of."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self.quietened()

    def quietened(self) -> None:
        self._quiet.set()

    @property
    def is_settled(self) -> bool:
        return not self._under_way and all(bell.idle for bell in self._bells)

    async def settled(self) -> None:
        """Wait until nothing more can happen at this instant without news from outside."""
        while not self.is_settled:
            if self._quiet.is_set():
                self._quiet = trio.Event()
            await self._quiet.wait()


class WallClock(Clock):
    def now(self) -> Instant:
        return Instant(time.time_ns() // 1_000_000)

    def patience(self, until: Instant) -> float:
        return min((until - self.now()) / 1_000, NAP)


class TrioClock(Clock):
    """`epoch` is the instant at which trio's clock reads zero."""

    def __init__(self, epoch: Instant) -> None:
        super().__init__()
        self._epoch = epoch

    def now(self) -> Instant:
        # Rounded, not cut: a virtual clock that stands at 0.3 s reads 0.29999….
        return Instant(self._epoch + round(trio.current_time() * 1_000))

    def patience(self, until: Instant) -> float:
        return math.inf if until == NEVER else (until - self.now()) / 1_000


class WarpClock(Clock):
    """A clock that runs at `rate` seconds a second from `start`, and can be pushed forward.

    With `rate` 0 it stands still between pushes: a rehearsal then gives the same instants always.
    """

    def __init__(self, start: Instant, *, rate: float = 1.0) -> None:
        super().__init__()
        self._rate = rate
        self._anchor = start
        self._since = time.monotonic_ns()
        self._pushing = trio.Lock()

    def now(self) -> Instant:
        passed = (time.monotonic_ns() - self._since) / 1_000_000
        return Instant(self._anchor + int(passed * self._rate))

    def patience(self, until: Instant) -> float:
        if not self._rate or until == NEVER:
            return math.inf
        return min((until - self.now()) / 1_000 / self._rate, NAP)

    def resume(self, at: Instant) -> None:
        """Go on from an instant reached in an earlier life, if it is later than this one."""
        self._jump(at)

    def _jump(self, to: Instant) -> None:
        self._anchor, self._since = max(self.now(), to), time.monotonic_ns()
        for bell in self._bells:
            bell.rouse()

    async def advance(self, to: Instant) -> None:
        """Push the clock to `to`, from one awaited instant to the next.

        Returns when everything due by then is decided, durable and handed over, or waits for its
        rate. One push at a time; time never goes back.
        """
        async with self._pushing:
            while True:
                await self.settled()
                awaited = min((bell.until for bell in self._bells), default=NEVER)
                if awaited > to:
                    break
                self._jump(awaited)
            self._jump(to)
            await self.settled()
