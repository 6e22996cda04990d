"""A turnstile: whoever comes is let through in turn, a few in every fourth round of the event loop.

All that is ready runs in one round, and the next round waits for the last of them. Where thousands
of browsers send at once, a back end that says one thing in each round would wait for all of them
each time. Behind the turnstile rounds stay short, however many want to be heard: they wait for one
another, and nobody else does.
"""

from __future__ import annotations

from typing import Final

import trio

# At each opening: so many pieces of what browsers say, and of handshakes, which cost more.
BROWSERS: Final = 4
STRANGERS: Final = 1
# Rounds from one opening to the next: those who need not pass say so many things meanwhile.
EVERY: Final = 4


class Turnstile:
    """`abreast` are let through at each opening."""

    def __init__(self, abreast: int) -> None:
        self._abreast = abreast
        self._waiting = trio.lowlevel.ParkingLot()
        self._places = abreast
        self._turning = False

    async def through(self) -> None:
        """Come back at once, if there is a place, or at a later opening."""
        if not self._turning:
            self._turning = True
            # It ends when nobody waits, and cannot fail.
            trio.lowlevel.spawn_system_task(self._turn)
        if self._places and not self._waiting:
            self._places -= 1
        else:
            await self._waiting.park()

    def before(self, listener: trio.SocketListener) -> Listener:
        """A listener whose callers come through here: until then they wait in the system's queue,
        and cost nothing.
        """
        return Listener(listener, self)

    async def _turn(self) -> None:
        while self._waiting or self._places < self._abreast:
            for _ in range(EVERY):
                await trio.lowlevel.checkpoint()
            self._places = self._abreast - len(self._waiting.unpark(count=self._abreast))
        self._turning = False


class Listener(trio.abc.Listener[trio.SocketStream]):
    """See `Turnstile.before`."""

    def __init__(self, listener: trio.SocketListener, turnstile: Turnstile) -> None:
        self._listener = listener
        self._turnstile = turnstile

    async def accept(self) -> trio.SocketStream:
        await self._turnstile.through()
        return await self._listener.accept()

    async def aclose(self) -> None:
        await self._listener.aclose()
