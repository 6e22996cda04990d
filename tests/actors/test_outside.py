"""The door: what is counted, what cannot be called back, and that nobody goes around it."""

from __future__ import annotations

import ast
import asyncio
import math
import threading
import time
from pathlib import Path

import pytest
import trio
import trio.testing

from actors.outside import open_holding, open_outside

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def outside():
    async with open_outside() as opened:
        yield opened


async def slow(seconds, answer=None):
    await asyncio.sleep(seconds)
    return answer


async def test_an_answer_comes_back_from_the_asyncio_loop(outside):
    assert await outside.run(lambda: slow(0, "hello")) == "hello"


async def test_the_work_runs_in_one_side_thread(outside):
    async def where():
        return threading.current_thread()

    first, second = await outside.run(where), await outside.run(where)
    assert first is second is not threading.current_thread()


async def test_an_error_comes_back_as_it_was_raised(outside):
    async def fails():
        raise ZeroDivisionError("one by none")

    with pytest.raises(ZeroDivisionError, match=r"^one by none$"):
        await outside.run(fails)


async def test_a_thread_call_answers_and_raises_like_the_call_itself(outside):
    assert await outside.in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await outside.in_thread(divmod, 7, 0)


async def test_many_waits_go_on_at_once(outside):
    answers = []

    async def ask(n):
        answers.append(await outside.run(lambda: slow(0.02 - n / 1000, n)))

    async with trio.open_nursery() as nursery:
        for n in range(20):
            nursery.start_soon(ask, n)
    assert sorted(answers) == [*range(20)]
    assert outside.waits().count == 0


async def test_work_that_has_begun_cannot_be_cancelled(outside):
    done = []

    async def work():
        await asyncio.sleep(0.03)
        done.append("all of it")

    with trio.move_on_after(0.005) as scope:
        await outside.run(work)
    assert (done, scope.cancelled_caught) == (["all of it"], False)


async def test_work_that_is_cancelled_before_it_begins_never_begins(outside):
    begun = []

    async def work():
        begun.append("begun")

    with trio.CancelScope() as scope:
        scope.cancel()
        await outside.run(work)
    assert (begun, scope.cancelled_caught) == ([], True)


async def test_work_past_its_limit_is_given_up_and_the_door_still_works(outside):
    with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
        await outside.run(lambda: slow(3600), limit=0.01)
    assert await outside.run(lambda: slow(0, "still here"), limit=5) == "still here"


async def test_the_door_tells_how_many_wait_and_for_how_long(outside):
    gate = threading.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outside.in_thread, gate.wait)
        await trio.testing.wait_all_tasks_blocked()
        busy = outside.waits()
        gate.set()
    idle = outside.waits()
    assert (busy.count, idle.count, idle.oldest) == (1, 0, 0.0)
    assert 0.0 < busy.oldest == busy.longest < idle.longest


async def test_busy_and_idle_are_announced_once_for_overlapping_waits():
    told = []
    busy, idle = (lambda: told.append("busy")), (lambda: told.append("idle"))
    async with open_outside(busy, idle) as outside:
        with outside.wait():
            await outside.run(lambda: slow(0))
        told_before_closing = list(told)
    assert told_before_closing == ["busy", "idle"]


async def test_closing_ends_the_thread():
    before = threading.active_count()
    async with open_outside() as outside:
        await outside.run(lambda: slow(0))
    assert not [each for each in threading.enumerate() if each.name == "outside"]
    assert threading.active_count() <= before + 1  # trio keeps its worker for the next call


async def test_closing_under_cancellation_ends_the_thread_too():
    with trio.CancelScope() as scope:
        async with open_outside():
            scope.cancel()
    assert not [each for each in threading.enumerate() if each.name == "outside"]


def test_a_virtual_clock_stands_still_while_anything_is_outside():
    clock = trio.testing.MockClock(autojump_threshold=0)
    seen = []

    async def ticks():
        for _ in range(3):
            await trio.sleep(7)
            seen.append(("tick", trio.current_time() - start))

    async def trips(outside):
        await outside.run(lambda: slow(0.03))
        seen.append(("asyncio", trio.current_time() - start))
        await trio.sleep(10)
        await outside.in_thread(time.sleep, 0.03)
        seen.append(("thread", trio.current_time() - start))

    async def main():
        nonlocal start
        start = trio.current_time()
        async with open_holding(clock) as outside, trio.open_nursery() as nursery:
            nursery.start_soon(ticks)
            nursery.start_soon(trips, outside)

    start = 0.0
    trio.run(main, clock=clock)
    assert seen == [
        ("asyncio", 0.0),
        ("tick", 7.0),
        ("thread", 10.0),
        ("tick", 14.0),
        ("tick", 21.0),
    ]


def test_the_clock_gets_back_the_threshold_it_had():
    clock = trio.testing.MockClock(autojump_threshold=0.5)
    seen = []

    async def main():
        async with open_holding(clock) as outside:
            with outside.wait():
                seen.append(clock.autojump_threshold)
            seen.append(clock.autojump_threshold)

    trio.run(main, clock=clock)
    assert seen == [math.inf, 0.5]


# Invariant (law 10): these names lead out of trio's sight, and only the door may use them.
# (What anyio does on trio is trio's, but for the calls that leave it.)
WAYS_OUT = {"asyncio", "concurrent", "subprocess", "threading"}
CALLS_OUT = {"to_thread", "from_thread", "run_process", "open_process", "start_thread_soon"}


def ways_around(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {each.name.partition(".")[0] for each in names} & WAYS_OUT
                found |= {part for each in names for part in each.name.split(".")} & CALLS_OUT
            case ast.ImportFrom(module=module, names=names):
                found |= {(module or "").partition(".")[0]} & WAYS_OUT
                found |= {*(module or "").split("."), *(each.name for each in names)} & CALLS_OUT
            case ast.Attribute(attr=attr):
                found |= {attr} & CALLS_OUT
    return found


def test_nothing_but_the_door_leads_out_of_trios_sight():
    door = ROOT / "actors" / "outside.py"
    files = [*(ROOT / "actors").rglob("*.py"), ROOT / "run.py"]
    found = {str(f.relative_to(ROOT)): ways_around(f.read_text("utf-8")) for f in files}
    assert found.pop(str(door.relative_to(ROOT))) == {
        "asyncio", "concurrent", "threading", "to_thread",
    }  # fmt: skip
    assert {file: ways for file, ways in found.items() if ways} == {}


def test_the_search_for_ways_around_the_door_finds_them():
    source = "from trio import to_thread\nimport asyncio.events\ntrio.run_process(['ls'])"
    assert ways_around(source) == {"to_thread", "asyncio", "run_process"}
    assert ways_around("from anyio.to_thread import run_sync") == {"to_thread"}
    assert ways_around("import anyio.from_thread as back") == {"from_thread"}
    assert ways_around("from anyio.abc import ByteStream") == set()
