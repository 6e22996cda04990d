"""What is told to many: page by page, everybody once, whatever fails meanwhile (R35, R43)."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime

import msgspec
import pytest
import trio

from actors.broadcast import AT_ONCE, PAUSE, Announcer
from actors.catalogue import Catalogue
from actors.clock import TrioClock
from actors.intake import BATCH, INWARD_SHARE
from actors.store.memory import MemoryStore
from ecrm import facts, matters, messages
from ecrm.errors import Rejected
from ecrm.moment import DAY, HOUR, Instant
from proto import envelope, events
from tests.actors.house import START, TEMPLATES, House, added

NEWS = events.CampaignLaunched(campaign_id="spring", template="news")
RELEASE = events.ProductReleased(product_id="game-3", series_id="game")


class Torn(MemoryStore):
    """A store whose process never gets to remember a certain cursor."""

    never_past = None

    async def advance(self, broadcast_id, cursor, *, done):
        if cursor == self.never_past:
            await trio.sleep_forever()
        await super().advance(broadcast_id, cursor, done=done)


@pytest.fixture
async def house(autojump_clock):
    clock = TrioClock(START)
    return House(MemoryStore(clock.now), clock)


def people(count):
    return [f"c{n:04}" for n in range(count)]


async def know(house, users):
    """These people have an address, and nothing else."""
    for user in users:
        traits = envelope.Traits(email=f"{user}@customers.example")
        house.offer(house.message(user, traits, kind="identify", name=envelope.IDENTIFIED))
        if len(house.system.intake) >= 500:
            await house.exhaust()
    await house.exhaust()


async def launch(house, event=NEWS):
    outcomes = house.offer(house.message(None, event))
    await house.system.round()
    return outcomes


def heard(house, users):
    """How often each was told."""
    return {
        user: sum(isinstance(fact, facts.Announced) for fact in house.facts(user)) for user in users
    }


def told_at(house, users):
    """When each was told, in seconds."""
    return {
        user: (row.at - START) / 1_000
        for user in users
        for row in house.rows(user)
        if isinstance(facts.decode(row.facts)[0], facts.Announced)
    }


async def games(house, *editions):
    """A series in the catalogue, one product an edition."""
    for edition in editions:
        product = events.ProductUpserted(
            product_id=f"game-{edition}",
            name=f"Game {edition}",
            price=60,
            currency="EUR",
            series_id="game",
            edition=edition,
        )
        await house.tell(None, product)


async def buys(house, user, *products):
    await house.identify(user)
    lines = tuple(events.Product(product_id=one, price=10) for one in products)
    await house.tell(user, events.OrderCompleted(order_id=f"o-{user}", products=lines))


# Pages.


async def test_everybody_is_told_once_by_pages_with_a_pause_between(autojump_clock, house):
    users = people(3 * AT_ONCE + 10)
    await know(house, users)
    async with house.lives():
        assert await launch(house) == ["taken"]
        await trio.sleep(HOUR / 1_000)
    assert heard(house, users) == dict.fromkeys(users, 1)
    times = told_at(house, users)
    assert [times[user] for user in users] == [
        n // AT_ONCE * PAUSE / 1_000 for n in range(len(users))
    ]
    assert house.broadcasts.told == len(users)
    assert await house.store.broadcasts() == []


async def test_the_cursor_follows_the_last_page_that_was_told(autojump_clock, house):
    users = people(2 * AT_ONCE + 1)
    await know(house, users)
    cursors = []
    async with house.lives():
        await launch(house)
        for _ in range(3):
            await house.clock.settled()
            cursors += [row.cursor for row in await house.store.broadcasts()]
            await trio.sleep(PAUSE / 1_000)
        await house.clock.settled()
    assert cursors == [users[AT_ONCE - 1], users[2 * AT_ONCE - 1]]
    assert house.store._ledger.broadcasts["campaign/spring"].cursor == users[-1]


async def test_a_full_last_page_ends_with_an_empty_one_and_not_before(autojump_clock, house):
    users = people(AT_ONCE)
    await know(house, users)
    async with house.lives():
        await launch(house)
        await house.clock.settled()
        assert [row.done for row in await house.store.broadcasts()] == [False]
        await trio.sleep(PAUSE / 1_000)
        await house.clock.settled()
        assert await house.store.broadcasts() == []
    assert heard(house, users) == dict.fromkeys(users, 1)


async def test_visitors_and_the_life_of_the_shop_are_nobody_to_tell(autojump_clock, house):
    await know(house, ["ana"])
    house.offer(house.message(None, added(), anonymous_id="v"))
    await house.exhaust()
    async with house.lives():
        await launch(house)
        await trio.sleep(60)
    assert heard(house, ["ana", "visitor:v"]) == {"ana": 1, "visitor:v": 0}
    assert house.broadcasts.told == 1


async def test_several_broadcasts_take_turns(autojump_clock, house):
    users = people(2 * AT_ONCE)
    await know(house, users)
    async with house.lives():
        for name in ("one", "two"):
            house.offer(house.message(None, msgspec.structs.replace(NEWS, campaign_id=name)))
        await house.clock.settled()
        assert [row.cursor for row in await house.store.broadcasts()] == [users[AT_ONCE - 1]] * 2
        await trio.sleep(60)
    assert heard(house, users) == dict.fromkeys(users, 2)


async def test_a_campaign_that_is_launched_again_is_told_no_second_time(autojump_clock, house):
    await know(house, ["ana"])
    async with house.lives():
        for _ in range(2):
            house.offer(house.message(None, NEWS))
            await trio.sleep(DAY / 1_000)
    assert heard(house, ["ana"]) == {"ana": 1}


async def test_a_page_takes_no_more_of_a_batch_than_its_share_while_events_wait(
    autojump_clock, house
):
    users = people(AT_ONCE)
    await know(house, users)
    for name in ("one", "two", "three"):
        await launch(house, msgspec.structs.replace(NEWS, campaign_id=name))
    batches = defaultdict(Counter)

    def watch(who, _made):
        batches[house.system.meter.commits.count][who.startswith("live")] += 1

    house.system.watchers.append(watch)
    house.offer(*(house.message(f"live{n}", added()) for n in range(500)))
    house.store.slow = 0.01
    async with house.lives():
        await trio.sleep(60)
    busy = [batch for batch in batches.values() if batch[True]]
    assert sum(batch[True] for batch in busy) == 500
    assert sum(batch[False] for batch in batches.values()) == 3 * len(users)
    # The last batch of events is what is left of them.
    assert all(batch[True] >= BATCH - INWARD_SHARE for batch in busy[:-1])
    assert max(batch[False] for batch in busy) == AT_ONCE <= INWARD_SHARE


# Failures.


async def test_a_crash_in_the_middle_of_a_page_repeats_it_and_tells_nobody_twice(
    autojump_clock, house
):
    users = people(2 * AT_ONCE + 5)
    house.store = Torn(house.clock.now)
    house = house.restarted()
    await know(house, users)
    house.store.never_past = users[2 * AT_ONCE - 1]
    async with house.lives():
        await launch(house)
        await trio.sleep(60)
        # The second page is told and durable; its cursor is not written yet.
        assert [row.cursor for row in await house.store.broadcasts()] == [users[AT_ONCE - 1]]
        assert sum(heard(house, users).values()) == 2 * AT_ONCE
    house.store.never_past = None
    after = house.restarted()
    async with after.lives():
        await trio.sleep(60)
    # The second page again, and the third.
    assert after.broadcasts.told == AT_ONCE + 5
    assert heard(after, users) == dict.fromkeys(users, 1)


async def test_a_page_whose_commit_failed_is_told_again(autojump_clock, house):
    users = people(AT_ONCE + 5)
    await know(house, users)
    await launch(house)
    house.store.fail_next(1)
    async with house.lives():
        await trio.sleep(60)
    assert heard(house, users) == dict.fromkeys(users, 1)
    assert await house.store.broadcasts() == []


async def test_a_stop_in_the_middle_goes_on_where_it_was(autojump_clock, house):
    users = people(3 * AT_ONCE)
    await know(house, users)
    async with house.lives():
        await launch(house)
        await trio.sleep(PAUSE / 1_000 + 0.01)
        house.broadcasts.bell.stop()
        await trio.sleep(60)
        assert sum(heard(house, users).values()) == 2 * AT_ONCE
    after = house.restarted()
    async with after.lives():
        await trio.sleep(60)
    assert after.broadcasts.told == AT_ONCE
    assert heard(after, users) == dict.fromkeys(users, 1)


async def test_a_launch_whose_commit_failed_can_be_said_again(autojump_clock, house):
    await know(house, ["ana"])
    message = house.message(None, NEWS)
    house.store.fail_next(1)
    outcomes = house.offer(message)
    await house.system.round()
    assert await house.store.broadcasts() == []
    outcomes += house.offer(message)
    await house.system.round()
    assert outcomes == ["unknown"]
    assert [row.broadcast_id for row in await house.store.broadcasts()] == ["campaign/spring"]


# When, and whom.


async def test_a_campaign_of_tomorrow_is_told_tomorrow(autojump_clock, house):
    await know(house, ["ana"])
    at = datetime.fromtimestamp((START + DAY) / 1_000, UTC)
    async with house.lives():
        await launch(house, msgspec.structs.replace(NEWS, schedule=at))
        await trio.sleep(DAY / 1_000 - 0.001)
        assert heard(house, ["ana"]) == {"ana": 0}
        await trio.sleep(0.001)
        await house.clock.settled()
        assert heard(house, ["ana"]) == {"ana": 1}
    assert told_at(house, ["ana"]) == {"ana": DAY / 1_000}


async def test_one_that_should_have_begun_yesterday_begins_now(autojump_clock, house):
    at = datetime.fromtimestamp((START - DAY) / 1_000, UTC)
    await launch(house, msgspec.structs.replace(NEWS, schedule=at))
    [row] = await house.store.broadcasts()
    assert (row.at, row.start) == (START, START)


async def test_a_release_reaches_the_owners_of_earlier_editions_only(autojump_clock, house):
    await games(house, 1, 2, 3, 4)
    await house.tell(None, events.ProductUpserted(product_id="tea"))
    for user, products in {
        "first": ["game-1"],
        "second": ["game-2", "tea"],
        "later": ["game-4"],
        "other": ["tea"],
    }.items():
        await buys(house, user, *products)
    async with house.lives():
        await launch(house, RELEASE)
        await trio.sleep(60)
    users = ["first", "second", "later", "other"]
    assert heard(house, users) == {"first": 1, "second": 1, "later": 0, "other": 0}
    assert house.broadcasts.told == 2


async def test_a_release_without_earlier_editions_is_done_at_once_and_tells_nobody(
    autojump_clock, house
):
    await games(house, 3)
    await buys(house, "ana", "game-3")
    async with house.lives():
        assert await launch(house, RELEASE) == ["taken"]
        await trio.sleep(60)
    assert house.store._ledger.broadcasts["release/game-3"].done
    assert heard(house, ["ana"]) == {"ana": 0}
    assert house.broadcasts.told == 0


# What is wrong with a launch.


@pytest.fixture
def announcer():
    catalogue = Catalogue()
    told = events.ProductUpserted(product_id="game-2", series_id="game", edition=2)
    catalogue.upsert(told, START)
    new = events.ProductUpserted(
        product_id="game-3", name="Game 3", price=59.9, series_id="game", edition=3, url="/g3"
    )
    catalogue.upsert(new, START)
    return Announcer(catalogue, TEMPLATES)


@pytest.mark.parametrize(
    ("event", "path", "said"),
    [
        (
            events.ProductReleased(product_id="game-9", series_id="game"),
            "$.properties.product_id",
            "the catalogue does not know 'game-9': send Product Upserted first",
        ),
        (
            events.CampaignLaunched(campaign_id="c", template="nws"),
            "$.properties.template",
            "there is no template newsletter/nws",
        ),
        (
            events.CampaignLaunched(campaign_id="c", template="news", segment="orders.cnt > 1"),
            "$.properties.segment",
            "'orders.cnt' is no reading: did you mean orders.count?",
        ),
        (
            events.CampaignLaunched(campaign_id="c", template="news", segment="orders.count >"),
            "$.properties.segment",
            "'orders.count >' is no condition",
        ),
    ],
)
def test_a_launch_that_cannot_be_told_is_refused_and_its_fault_is_named(
    announcer, event, path, said
):
    with pytest.raises(Rejected) as refused:
        announcer.row(event, START)
    assert (refused.value.code, refused.value.path) == ("invalid", path)
    assert said in str(refused.value)


async def test_a_refused_launch_leaves_no_row_and_may_be_sent_again_when_mended(house):
    message = house.message(None, RELEASE)
    outcomes = house.offer(message)
    await house.system.round()
    assert await house.store.broadcasts() == []
    await games(house, 2, 3)
    outcomes += house.offer(message)
    await house.system.round()
    assert outcomes == ["invalid"]
    assert [row.audience for row in await house.store.broadcasts()] == [("game-2",)]


def test_a_release_is_told_as_the_catalogue_knows_it(announcer):
    row = announcer.row(RELEASE, START)
    assert row.broadcast_id == "release/game-3"
    assert messages.decode(row.message).matter == matters.Release(
        product_id="game-3",
        series_id="game",
        edition="3",
        name="Game 3",
        price=5_990,
        currency="EUR",
        url="/g3",
    )
    assert (row.audience, row.start, row.cursor, row.done) == (("game-2",), START, "", False)


def test_a_campaign_is_told_with_its_segment_and_subject(announcer):
    event = events.CampaignLaunched(
        campaign_id="c", template="news", segment="orders.count > 1", subject="Spring"
    )
    row = announcer.row(event, Instant(START + 5))
    campaign = matters.Campaign("c", "news", "Spring", "orders.count > 1")
    assert messages.decode(row.message) == messages.Announce("campaign/c", campaign)
    assert (row.audience, row.at, row.start) == ((), START + 5, START + 5)
