"""Many messages for one caller: in order, in pieces where need be, and all answers or none."""

from __future__ import annotations

import pytest
import trio

from actors.clock import TrioClock
from actors.intake import SHARE
from actors.offering import Offering
from actors.store.memory import MemoryStore
from tests.actors.house import START, House, added


@pytest.fixture
def house():
    clock = TrioClock(START)
    return House(MemoryStore(clock.now), clock)


def messages(house, count, user="ana"):
    return [house.message(user, added()) for _ in range(count)]


async def offered(house, told):
    """Offered while the turn loop runs."""
    offering = Offering(house.system, told)
    async with house.lives():
        await offering.run()
    return offering


def outcomes(offering):
    return [answer and answer.outcome for answer in offering.answers]


async def test_it_is_back_when_all_is_durable_in_the_order_it_was_told(autojump_clock, house):
    told = messages(house, 3)
    offering = await offered(house, told)
    assert outcomes(offering) == ["taken"] * 3
    assert house.told("ana") == [message.message_id for message in told]


async def test_nothing_to_offer_needs_no_turn(autojump_clock, house):
    offering = Offering(house.system, [])
    await offering.run()
    assert (offering.answers, offering.busy) == ([], None)


async def test_more_than_a_customers_share_goes_through_in_pieces(autojump_clock, house):
    told = messages(house, SHARE * 2 + 7)
    offering = await offered(house, told)
    assert offering.busy is None
    assert outcomes(offering) == ["taken"] * len(told)
    assert house.told("ana") == [message.message_id for message in told]


async def test_what_comes_twice_is_answered_twice_and_applied_once(autojump_clock, house):
    [message] = messages(house, 1)
    offering = await offered(house, [message, message])
    assert outcomes(offering) == ["taken", "repeated"]
    assert len(house.told("ana")) == 1


async def test_who_has_nothing_on_the_way_is_told_to_come_again(autojump_clock, house):
    house.offer(*messages(house, SHARE))
    offering = Offering(house.system, messages(house, 2))
    await offering.run()
    assert offering.busy > 0
    assert outcomes(offering) == [None, None]


async def test_what_fits_for_another_customer_still_waits_for_its_turn(autojump_clock, house):
    """The order of a body is kept: nothing overtakes the message there is no room for."""
    house.offer(*messages(house, SHARE))
    offering = Offering(house.system, messages(house, 1) + messages(house, 1, user="bo"))
    await offering.run()
    assert offering.busy > 0
    assert house.rows("bo") == []


async def test_a_failing_store_leaves_it_unknown(autojump_clock, house):
    house.store.fail_next(1)
    offering = await offered(house, messages(house, 2))
    assert outcomes(offering) == ["unknown"] * 2


async def test_who_stops_waiting_harms_nobody(autojump_clock, house):
    told = messages(house, 2)
    offering = Offering(house.system, told)
    with trio.move_on_after(1):
        await offering.run()
    assert outcomes(offering) == [None, None]
    await house.exhaust()
    assert outcomes(offering) == ["taken"] * 2
    assert house.told("ana") == [message.message_id for message in told]
