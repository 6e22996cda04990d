"""The one door to what trio cannot see: threads, and the asyncio loop that aiosqlite lives in.

- Every wait on the world outside goes through an `Outside`, which counts it. A virtual clock must
  not jump while the count is above zero: `open_holding` keeps it still, exactly (trio#456).
- The count goes down in the waiting task, after the result has arrived: by then the loop is busy
  and cannot jump early.
- What has gone out cannot be called back: `run` and `in_thread` ignore cancellation once they have
  begun. Keep the work short; `waits()` tells the console how long the oldest has taken.
- One asyncio loop in one side thread. The thread is no daemon: what it does is finished before the
  process ends, and leaving `open_outside` ends it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from threading import Thread
from typing import Protocol, TypeVar, TypeVarTuple

import msgspec
import outcome
import trio

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# A loop that has not ended after this many seconds is stuck on something; the operator is told.
CLOSE_LIMIT = 10.0


class Waits(msgspec.Struct, frozen=True, gc=False):
    """How busy the door is; `oldest` (among those still out) and `longest` in real seconds, and for
    how many of them anything was out at all (`busy`).
    """

    count: int
    oldest: float
    longest: float
    busy: float


class JumpingClock(Protocol):
    """What the door needs of `trio.testing.MockClock`."""

    autojump_threshold: float


def _nothing() -> None:
    """Nobody listens to the door."""


class Outside:
    """Counts the waits on the world outside, and carries work there and back.

    `on_busy` is called when the first wait begins, `on_idle` when the last one ends.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_busy: Callable[[], None] = _nothing,
        on_idle: Callable[[], None] = _nothing,
    ) -> None:
        self._loop = loop
        self._on_busy = on_busy
        self._on_idle = on_idle
        self._begun: dict[object, float] = {}  # in the order they began
        self._longest = 0.0
        self._busy_since = self._busy = 0.0

    def waits(self) -> Waits:
        now = time.monotonic()
        taken = now - next(iter(self._begun.values()), now)
        busy = self._busy + (now - self._busy_since if self._begun else 0.0)
        return Waits(len(self._begun), taken, max(self._longest, taken), busy)

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Count one wait on something real that is awaited inside (a socket in a test, say)."""
        token, began = object(), time.monotonic()
        if not self._begun:
            self._busy_since = began
            self._on_busy()
        self._begun[token] = began
        try:
            yield
        finally:
            now = time.monotonic()
            self._longest = max(self._longest, now - self._begun.pop(token))
            if not self._begun:
                self._busy += now - self._busy_since
                self._on_idle()

    async def run(
        self, work: Callable[[], Coroutine[object, None, T]], *, limit: float | None = None
    ) -> T:
        """Run the coroutine that `work` makes in the asyncio loop, and return what it returns.

        Cancellation is heard before it begins and not after. `limit` is in real seconds: work
        that takes longer is cancelled in its loop and left there, and TimeoutError is raised.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        token, task = trio.lowlevel.current_trio_token(), trio.lowlevel.current_task()

        def resume(done: Future[T]) -> None:
            token.run_sync_soon(trio.lowlevel.reschedule, task, outcome.capture(done.result))

        with self.wait():
            going = work() if limit is None else _within(limit, work())
            future = asyncio.run_coroutine_threadsafe(going, self._loop)
            future.add_done_callback(resume)
            result: T = await trio.lowlevel.wait_task_rescheduled(_never_abort)
        return result

    async def in_thread(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        """Call `fn(*args)` in a worker thread. Cancellation is heard before it begins only."""
        with self.wait():
            return await trio.to_thread.run_sync(fn, *args)

    def inward(
        self, nursery: trio.Nursery, answer: Callable[[str], Awaitable[T]]
    ) -> Callable[[str], Awaitable[T]]:
        """For a coroutine that `run` runs: a way to ask something that only trio can answer.

        Each question is answered in a task of the nursery; what it raises, the question raises.
        """
        token = trio.lowlevel.current_trio_token()

        async def reply(question: str, asked: Future[T]) -> None:
            if not asked.set_running_or_notify_cancel():
                return
            try:
                asked.set_result(await answer(question))
            except BaseException as error:
                asked.set_exception(error)
                if not isinstance(error, Exception):
                    raise

        async def ask(question: str) -> T:
            asked = Future[T]()
            token.run_sync_soon(nursery.start_soon, reply, question, asked)
            return await asyncio.wrap_future(asked)

        return ask


def _never_abort(_raise_cancel: Callable[[], object]) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


async def _within(limit: float, work: Coroutine[object, None, T]) -> T:
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=limit)
    if not done:
        task.cancel()
        raise TimeoutError(f"no answer from outside within {limit:g} s")
    return task.result()


def _serve(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(_until(stopping))


async def _until(stopping: asyncio.Event) -> None:
    """Wait to be stopped, and then for what `limit` left behind: it still holds its thread."""
    await stopping.wait()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        await asyncio.wait(left, timeout=CLOSE_LIMIT / 2)


@asynccontextmanager
async def open_outside(
    on_busy: Callable[[], None] = _nothing, on_idle: Callable[[], None] = _nothing
) -> AsyncIterator[Outside]:
    """Open the door; leaving ends its thread, or raises TimeoutError after `CLOSE_LIMIT`."""
    loop, stopping = asyncio.new_event_loop(), asyncio.Event()
    thread = Thread(target=_serve, args=(loop, stopping), name="outside")
    thread.start()
    outside = Outside(loop, on_busy, on_idle)
    try:
        yield outside
    finally:
        loop.call_soon_threadsafe(stopping.set)
        with trio.move_on_after(CLOSE_LIMIT, shield=True):
            await outside.in_thread(thread.join, CLOSE_LIMIT)
        if thread.is_alive():
            raise TimeoutError(f"the asyncio thread did not end within {CLOSE_LIMIT:g} s")


def open_holding(clock: JumpingClock) -> AbstractAsyncContextManager[Outside]:
    """Open a door that keeps a virtual clock from jumping while anything is outside."""
    threshold = clock.autojump_threshold

    def hold() -> None:
        nonlocal threshold
        threshold = clock.autojump_threshold
        clock.autojump_threshold = math.inf

    def release() -> None:
        clock.autojump_threshold = threshold

    return open_outside(hold, release)
