"""A store whose process dies at a named moment of a call."""

from __future__ import annotations

import os
import signal

import trio


class Mortal:
    """A store whose process dies at a named moment."""

    def __init__(self, store, step, left):
        self._store = store
        self._step = step
        self._left = left

    def __getattr__(self, name):
        call = getattr(self._store, name)
        if name != self._step[1:]:
            return call

        async def mortal(*args):
            if name == "commit" and not args[0].dedupe:
                return await call(*args)
            self._left -= 1
            if self._step[0] == "-" and not self._left:
                await self._die()
            result = await call(*args)
            if not self._left:
                await self._die()
            return result

        return mortal

    async def _die(self):
        # Too early an answer would be out by then.
        await trio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)


def mortal(store, step):
    if not step:
        return store
    name, _, count = step.partition(":")
    return Mortal(store, name, int(count))
