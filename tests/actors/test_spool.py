"""The spool: what `run.py bounce` leaves, and what the service makes of it."""

from __future__ import annotations

import os
import stat

import pytest
import trio
from structlog.testing import capture_logs

from actors import spool
from actors.clock import TrioClock
from actors.outside import open_holding
from actors.spool import EVERY, Spool
from ecrm.errors import StoreBroken
from tests.actors.house import START

RAW = b"Subject: Undelivered\r\n\r\nno such user\r\n"


class Taker:
    """Takes messages in, or does not, in the order of `answers`; then takes all."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.taken = []

    async def __call__(self, recipient, raw):
        await trio.lowlevel.checkpoint()
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        if answer:
            self.taken.append((recipient, raw))
        return answer


def files(folder, part="new"):
    return sorted(one.name for one in (folder / part).iterdir())


async def looks(folder, clock, taker, times=1, *, watched=True):
    """Let the service look so often."""
    at = TrioClock(START)
    async with open_holding(clock) as outside, trio.open_nursery() as nursery:
        nursery.start_soon(Spool(folder, outside, at, taker, watched=watched).run)
        await at.settled()
        for _ in range(times - 1):
            await trio.sleep(EVERY / 1_000)
            await at.settled()
        nursery.cancel_scope.cancel()


def test_what_was_put_lies_there_as_it_came(tmp_path):
    name = spool.put(tmp_path / "returns", "b+x@shop.example", RAW)
    path = tmp_path / "returns" / "new" / name
    assert path.read_bytes() == b"b+x@shop.example\n" + RAW
    assert files(tmp_path / "returns", "tmp") == []
    assert stat.S_IMODE((tmp_path / "returns").stat().st_mode) == 0o700


def test_what_cannot_be_put_leaves_nothing_and_says_so(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "tmp").mkdir(mode=0o500)
    if os.access(tmp_path / "tmp", os.W_OK):
        (tmp_path / "tmp").rmdir()
        (tmp_path / "tmp").write_bytes(b"a file in the way")
    with pytest.raises(OSError, match=r".+"):
        spool.put(tmp_path, "", RAW)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "recipient", ["b+x@shop.example\nsecond line", "é@shop.example", "\udce9@x", "", "x" * 5_000]
)
async def test_any_address_is_one_line_and_the_message_is_whole(
    tmp_path, autojump_clock, recipient
):
    spool.put(tmp_path, recipient, RAW)
    taker = Taker()
    await looks(tmp_path, autojump_clock, taker)
    [(_, raw)] = taker.taken
    assert raw == RAW


async def test_what_was_taken_is_gone_and_what_was_not_is_brought_again(tmp_path, autojump_clock):
    for n in range(3):
        spool.put(tmp_path, f"{n}", RAW)
    taker = Taker(True, False)
    await looks(tmp_path, autojump_clock, taker, 2)
    assert [one for one, _ in taker.taken] == ["0", "2", "1"]
    assert files(tmp_path) == []


async def test_a_broken_store_loses_nothing(tmp_path, autojump_clock):
    for n in range(2):
        spool.put(tmp_path, f"{n}", RAW)
    taker = Taker(StoreBroken())
    with capture_logs() as logs:
        await looks(tmp_path, autojump_clock, taker)
    assert ([one["event"] for one in logs], len(files(tmp_path))) == (["spool_not_read"], 2)
    await looks(tmp_path, autojump_clock, taker)
    assert [one for one, _ in taker.taken] == ["0", "1"]


async def test_a_message_that_breaks_us_is_put_aside_for_a_person(tmp_path, autojump_clock):
    for n in range(2):
        spool.put(tmp_path, f"{n}", RAW)
    taker = Taker(RecursionError("too deep"))
    with capture_logs() as logs:
        await looks(tmp_path, autojump_clock, taker)
    assert [one["event"] for one in logs] == ["return_put_aside"]
    assert [one for one, _ in taker.taken] == ["1"]
    assert (files(tmp_path), len(files(tmp_path, "bad"))) == ([], 1)


async def test_where_nothing_is_to_come_it_looks_once(tmp_path, autojump_clock):
    taker = Taker(False, True)
    spool.put(tmp_path, "", RAW)
    await looks(tmp_path, autojump_clock, taker, 3, watched=False)
    assert taker.taken == []


async def test_a_folder_that_is_not_there_is_no_trouble(tmp_path, autojump_clock):
    with capture_logs() as logs:
        await looks(tmp_path / "none", autojump_clock, Taker(), 2)
    assert logs == []
