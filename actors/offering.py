"""Offers many messages to the turn loop for one caller, who waits for all of them.

For doors where an answer is about a whole body: the order is kept, and what does not fit yet waits
until some of the caller's own messages have made room. Only who has none on the way is told that
the intake is busy: a batch that is larger than the room there is goes through in pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from actors.intake import Answer
from actors.system import System
from ecrm.errors import Busy
from ecrm.moment import Duration
from proto.envelope import Message


class Offering:
    """Messages on their way, and what became of each; `answers` holds None where that is open."""

    def __init__(self, system: System, messages: Sequence[Message]) -> None:
        self.answers: list[Answer | None] = [None] * len(messages)
        self.busy: Duration | None = None
        self._system = system
        self._messages = messages
        self._waiting = 0
        self._heard = trio.Event()

    async def run(self) -> None:
        """Back when each has its answer, or when there was no room for the next of them: then
        `busy` is how long to wait before it is tried again. Cancelled, it leaves those that it has
        offered on their way.
        """
        for place, message in enumerate(self._messages):
            await self._offer(message, self._answered(place))
            if self.busy is not None:
                break
        while self._waiting:
            await self._listen()

    async def _offer(self, message: Message, answered: Callable[[Answer], None]) -> None:
        while True:
            try:
                self._system.offer(message, answered)
            except Busy as busy:
                if not self._waiting:
                    self.busy = busy.retry_after
                    return
                await self._listen()
            else:
                self._waiting += 1
                return

    async def _listen(self) -> None:
        self._heard = trio.Event()
        await self._heard.wait()

    def _answered(self, place: int) -> Callable[[Answer], None]:
        def answered(answer: Answer) -> None:
            self.answers[place] = answer
            self._waiting -= 1
            self._heard.set()

        return answered
