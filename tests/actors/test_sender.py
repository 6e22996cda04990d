"""A sender for back ends: what it took is told until it is answered, over any number of connections."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise

import msgspec
import pytest
import structlog
import trio
import trio_websocket
from trio.testing import memory_stream_pair, wait_all_tasks_blocked

from actors.client import Refusal, Unwelcome
from actors.gateway import EVENTS_PATH
from actors.sender import FIRST_PAUSE, LONGEST_PAUSE, Unacknowledged, dialling, sending
from ecrm import facts
from tests.restarts import SECRET as KEY
from tests.restarts import Serving, journalled
from tests.worlds import PUBLISHABLE, SECRET

WELCOME = {"type": "welcome", "session": "s1", "window": 700}


class Line:
    """One connection, as the service sees it."""

    def __init__(self, websocket, stream):
        self.websocket = websocket
        self.stream = stream
        self.at = trio.current_time()

    async def hear(self):
        return msgspec.msgpack.decode(await self.websocket.get_message())

    async def batch(self):
        """The ids of the next batch."""
        return [message["messageId"] for message in (await self.hear())["batch"]]

    async def say(self, **frame):
        await self.websocket.send_message(msgspec.msgpack.encode(frame))

    async def welcome(self, **changes):
        hello = await self.hear()
        await self.say(**{**WELCOME, **changes})
        return hello

    async def acknowledge(self):
        """Welcome, and acknowledge whatever comes."""
        await self.welcome()
        while True:
            await self.say(type="ack", ids=await self.batch())

    async def drop(self):
        await trio.aclose_forcefully(self.stream)


class Service:
    """Behaves on its first connection as the first of `lives` says, and so on."""

    def __init__(self, nursery, *lives):
        self.lines = []
        self._nursery = nursery
        self._lives = list(lives)

    @asynccontextmanager
    async def dial(self):
        if not self._lives:
            raise OSError("connection refused")
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(self._accept, self._lives.pop(0), theirs)
        async with trio.open_nursery() as nursery:
            yield await trio_websocket.wrap_client_stream(nursery, ours, "shop.test", EVENTS_PATH)
            nursery.cancel_scope.cancel()

    async def _accept(self, live, stream):
        try:
            async with trio.open_nursery() as nursery:
                request = await trio_websocket.wrap_server_stream(nursery, stream)
                line = Line(await request.accept(), stream)
                self.lines.append(line)
                await live(line)
                nursery.cancel_scope.cancel()
        except* (trio_websocket.ConnectionClosed, trio.BrokenResourceError):
            pass


@asynccontextmanager
async def talking(*lives, **options):
    """A sender and the service it talks to; leaving lets the sender finish."""
    async with trio.open_nursery() as nursery:
        service = Service(nursery, *lives)
        # Half of the pause, always.
        options = {"jitter": lambda: 0.0, **options}
        async with sending(service.dial, "sk", **options) as sender:
            yield sender, service
        nursery.cancel_scope.cancel()


async def told(sender, *ids):
    for one in ids:
        await sender.track("Tea Drunk", user_id="zoe", messageId=one)


async def silence(line):
    await line.welcome()
    await trio.sleep_forever()


async def test_what_is_told_is_acknowledged_before_the_block_is_left(autojump_clock):
    async with talking(Line.acknowledge) as (sender, _):
        await told(sender, "m1", "m2")
        assert sender.waiting == 2
    assert sender.waiting == 0


async def test_a_message_has_an_id_and_a_time_and_the_batch_says_when_it_was_sent(autojump_clock):
    heard = []

    async def live(line):
        assert await line.welcome() == {"type": "hello", "key": "sk", "client": "ecrm-trio/1"}
        while True:
            heard.append(await line.hear())
            ids = [message["messageId"] for message in heard[-1]["batch"]]
            await line.say(type="ack", ids=ids)

    async with talking(live) as (sender, _):
        first = await sender.track("Tea Drunk", {"cups": 2}, user_id="zoe", anonymousId="v1")
        second = await sender.identify("zoe", {"firstName": "Zoé"}, timestamp="2026-03-02T09:00Z")
        third = await sender.alias("zoe@example", "zoe", messageId="mine")
    messages = [message for frame in heard for message in frame["batch"]]
    assert [message["messageId"] for message in messages] == [first, second, third]
    assert len({first, second, third}) == 3
    assert third == "mine"
    assert (
        messages[0].items()
        >= {
            "type": "track",
            "event": "Tea Drunk",
            "properties": {"cups": 2},
            "userId": "zoe",
            "anonymousId": "v1",
        }.items()
    )
    assert messages[0]["timestamp"] <= heard[0]["sentAt"]
    assert messages[1]["timestamp"] == "2026-03-02T09:00Z"
    assert messages[2]["previousId"] == "zoe@example"


async def test_a_lost_connection_is_made_again_and_what_has_no_answer_told_again(autojump_clock):
    async def dying(line):
        await line.welcome()
        heard.append(await line.batch())
        await line.say(type="ack", ids=["m1"])
        await line.drop()

    async def living(line):
        await line.welcome()
        heard.append(await line.batch())
        await line.say(type="ack", ids=heard[-1])
        await trio.sleep_forever()

    heard = []
    async with talking(dying, living) as (sender, _):
        await told(sender, "m1", "m2", "m3")
    assert heard == [["m1", "m2", "m3"], ["m2", "m3"]]


async def test_the_pauses_grow_and_begin_anew_after_an_answer(autojump_clock):
    async def refusing(line):
        await line.drop()

    async def answering(line):
        await line.welcome()
        await line.say(type="ack", ids=[(await line.batch())[0]])
        await line.drop()

    lives = (*[refusing] * 9, answering, Line.acknowledge)
    async with talking(*lives, close_within=1_000) as (sender, service):
        await told(sender, "m1", "m2")
    at = [line.at for line in service.lines]
    pauses = [after - before for before, after in pairwise(at)]
    half = [FIRST_PAUSE * 2**n / 2 for n in range(9)]
    assert pauses == [min(one, LONGEST_PAUSE / 2) for one in half] + [FIRST_PAUSE / 2]


@pytest.mark.parametrize(("jitter", "pause"), [(0.0, 0.125), (0.5, 0.1875), (1.0, 0.25)])
async def test_many_senders_do_not_come_back_in_the_same_moment(autojump_clock, jitter, pause):
    async with talking(Line.drop, Line.acknowledge, jitter=lambda: jitter) as (sender, service):
        await told(sender, "m1")
    assert service.lines[1].at - service.lines[0].at == pause


async def test_telling_waits_while_too_many_have_no_answer(autojump_clock):
    async def live(line):
        await line.welcome()
        await trio.sleep(5)
        while True:
            await line.say(type="ack", ids=await line.batch())

    async with talking(live, limit=3) as (sender, _):
        await told(sender, "m1", "m2", "m3")
        assert trio.current_time() < 5
        await told(sender, "m4")
        assert trio.current_time() == 5


async def test_those_who_wait_for_room_are_let_in_in_their_order(autojump_clock):
    heard = []

    async def live(line):
        await line.welcome()
        while True:
            ids = await line.batch()
            heard.extend(ids)
            await line.say(type="ack", ids=ids)

    async with talking(live, limit=1) as (sender, _), trio.open_nursery() as nursery:
        for n in range(20):
            nursery.start_soon(partial(told, sender, f"m{n:02}"))
            await wait_all_tasks_blocked()
    assert heard == sorted(heard)
    assert len(heard) == 20


async def test_no_more_is_told_at_once_than_the_service_takes(autojump_clock):
    sizes, unanswered, most = [], set(), 0

    async def live(line):
        nonlocal most
        await line.welcome(window=50, maxFrameBytes=4_000)
        while unanswered or len(sizes) < 3:
            with trio.move_on_after(1):
                frame = await line.hear()
                sizes.append(len(msgspec.msgpack.encode(frame)))
                unanswered.update(message["messageId"] for message in frame["batch"])
                most = max(most, len(unanswered))
                continue
            await line.say(type="ack", ids=[unanswered.pop()])
        await trio.sleep_forever()

    async with talking(live, close_within=1_000) as (sender, _):
        for n in range(120):
            await sender.track("Tea Drunk", {"notes": "x" * 50}, user_id="zoe", messageId=f"m{n}")
    assert most == 50
    assert max(sizes) <= 4_000


async def test_the_same_id_is_waited_for_once(autojump_clock):
    async with talking(Line.acknowledge, limit=2) as (sender, _):
        await told(sender, "m1", "m1")
        assert sender.waiting == 1
        await told(sender, "m2")


async def test_busy_is_asked_again_after_the_time_it_says_and_unknown_at_once(autojump_clock):
    heard = []

    async def live(line):
        await line.welcome()
        heard.append((trio.current_time(), await line.batch()))
        await line.say(type="busy", ids=["m1", "m2"], retryAfterMs=1_500)
        await line.say(type="unknown", ids=["m3"])
        for _ in range(2):
            ids = await line.batch()
            heard.append((trio.current_time(), ids))
            await line.say(type="ack", ids=ids)

    async with talking(live) as (sender, _):
        await told(sender, "m1", "m2", "m3")
    assert heard == [(0, ["m1", "m2", "m3"]), (0, ["m3"]), (1.5, ["m1", "m2"])]


async def test_what_is_refused_is_told_to_whoever_asked_and_the_rest_goes_on(autojump_clock):
    refused = []

    async def live(line):
        await line.welcome()
        await line.batch()
        await line.say(type="reject", id="m1", code="invalid", path="$.event", reason="no")
        await line.say(type="ack", ids=["m2"])

    async with talking(live, refused=refused.append) as (sender, _):
        await told(sender, "m1", "m2")
    assert refused == [Refusal("m1", "invalid", "no", "$.event")]


async def test_a_refusal_that_nobody_asked_for_is_logged(autojump_clock):
    async def live(line):
        await line.welcome()
        await line.batch()
        await line.say(type="reject", id="m1", code="invalid", path="$.event", reason="no")

    with structlog.testing.capture_logs() as logged:
        async with talking(live) as (sender, _):
            await told(sender, "m1")
    [refusal] = [one for one in logged if one["event"] == "message_refused"]
    assert (refusal["id"], refusal["reason"]) == ("m1", "no")


async def test_what_no_frame_can_hold_is_refused_before_it_ends_the_connection(autojump_clock):
    refused = []

    async def live(line):
        await line.welcome(maxFrameBytes=1_000)
        await line.say(type="ack", ids=await line.batch())

    async with talking(live, refused=refused.append) as (sender, service):
        await sender.track("Tea Drunk", {"x": "y" * 2_000}, user_id="zoe", messageId="m1")
        await told(sender, "m2")
    assert [(one.message_id, one.code) for one in refused] == [("m1", "too_large")]
    assert len(service.lines) == 1


async def test_what_cannot_be_written_is_the_callers_error(autojump_clock):
    async with talking(Line.acknowledge) as (sender, _):
        with pytest.raises(TypeError):
            await sender.track("Tea Drunk", {"cups": object()}, user_id="zoe")
        assert sender.waiting == 0


async def test_a_service_that_falls_silent_is_left_for_another_connection(autojump_clock):
    async with talking(silence, Line.acknowledge, close_within=60) as (sender, service):
        await told(sender, "m1")
        await sender.settled()
        assert trio.current_time() == 30.125
    assert len(service.lines) == 2


async def test_a_service_with_nothing_to_answer_may_be_silent(autojump_clock):
    async with talking(Line.acknowledge) as (sender, service):
        await trio.sleep(3_600)
        await told(sender, "m1")
        await sender.settled()
    assert len(service.lines) == 1


async def test_a_service_that_does_not_welcome_is_left_after_a_while(autojump_clock):
    async def mute(_line):
        await trio.sleep_forever()

    async with talking(mute, Line.acknowledge) as (sender, _):
        await told(sender, "m1")
        await sender.settled()
        assert trio.current_time() == 10.125


@pytest.mark.parametrize("code", ["goodbye", "limited"])
async def test_what_passes_is_a_reason_to_come_back(autojump_clock, code):
    async def leaving(line):
        await line.welcome()
        await line.batch()
        await line.say(type="error", code=code, reason="not now")

    async def gone(line):
        await line.hear()
        await line.say(type="error", code=code, reason="not now")

    async with talking(leaving, gone, Line.acknowledge) as (sender, service):
        await told(sender, "m1")
    assert len(service.lines) == 3


async def unwelcoming(line):
    await line.hear()
    await line.say(type="error", code="unauthorized", reason="no such key")


async def test_a_key_that_is_not_taken_is_told_to_everyone_who_waits(autojump_clock):
    with pytest.RaisesGroup(Unacknowledged) as caught:
        async with talking(unwelcoming, limit=1) as (sender, _):
            await told(sender, "m1")
            with pytest.raises(Unwelcome, match="no such key"):
                await told(sender, "m2")
            with pytest.raises(Unwelcome, match="no such key"):
                await sender.settled()
    [error] = caught.value.exceptions
    assert [message["messageId"] for message in error.messages] == ["m1"]
    assert str(error.__cause__) == "no such key"


async def test_leaving_gives_back_what_was_not_acknowledged_in_time(autojump_clock):
    with pytest.RaisesGroup(Unacknowledged) as caught:
        async with talking(silence, close_within=5) as (sender, _):
            await told(sender, "m1", "m2")
    [error] = caught.value.exceptions
    assert trio.current_time() == 5
    assert "2 messages" in str(error)
    assert [(message["messageId"], message["event"]) for message in error.messages] == [
        ("m1", "Tea Drunk"),
        ("m2", "Tea Drunk"),
    ]


async def test_without_a_service_it_waits_for_one_and_then_gives_back(autojump_clock):
    with pytest.RaisesGroup(Unacknowledged) as caught:
        async with talking(close_within=60) as (sender, _):
            await told(sender, "m1")
    assert trio.current_time() == 60
    assert len(caught.value.exceptions[0].messages) == 1


async def test_a_sender_that_is_closed_says_what_is_left_and_takes_no_more(autojump_clock):
    async with talking(silence, limit=1) as (sender, _), trio.open_nursery() as nursery:
        await told(sender, "m1")

        async def waits_for_room():
            with pytest.raises(trio.ClosedResourceError):
                await told(sender, "m2")

        nursery.start_soon(waits_for_room)
        await wait_all_tasks_blocked()
        left = await sender.close(within=3)
        assert [message["messageId"] for message in left] == ["m1"]
        with pytest.raises(trio.ClosedResourceError):
            await told(sender, "m3")


class Mistake(Exception):
    """Somebody else's."""


async def mistaken(_scope):
    raise Mistake


async def stopped(scope):
    scope.cancel()
    await trio.sleep_forever()


@pytest.mark.parametrize("end", [mistaken, stopped])
async def test_who_is_cut_off_still_tells_what_was_taken(autojump_clock, end):
    """An error in the caller, or a stop, is no reason to forget an order."""
    acknowledged = []

    async def live(line):
        await line.welcome()
        ids = await line.batch()
        await trio.sleep(2)
        acknowledged.extend(ids)
        await line.say(type="ack", ids=ids)

    async with trio.open_nursery() as nursery:
        service = Service(nursery, live)
        with trio.CancelScope() as scope:
            try:
                async with sending(service.dial, "sk") as sender:
                    await told(sender, "m1")
                    await end(scope)
            except* Mistake:
                pass
        nursery.cancel_scope.cancel()
    assert acknowledged == ["m1"]
    assert sender.waiting == 0


async def test_who_is_cut_off_leaves_the_ids_of_what_was_not_acknowledged_in_the_log(
    autojump_clock,
):
    with (
        structlog.testing.capture_logs() as logged,
        pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True),
    ):
        async with talking(silence, close_within=5) as (sender, _):
            await told(sender, "m1")
            raise ZeroDivisionError
    [left] = [one for one in logged if one["event"] == "messages_unacknowledged"]
    assert left["ids"] == ["m1"]


# With the real gateway.


async def test_the_real_service_takes_each_message_once_whatever_happens_to_the_lines(
    autojump_clock, world
):
    """Five connections are cut in the middle; every message is in the journal once."""
    cut = 0

    @asynccontextmanager
    async def dial():
        nonlocal cut
        cut += 1
        websocket = await world.dial(EVENTS_PATH)
        async with trio.open_nursery() as nursery:
            if cut < 6:
                nursery.start_soon(cut_off, websocket, cut / 1_000)
            yield websocket
            nursery.cancel_scope.cancel()

    async def cut_off(websocket, after):
        await trio.sleep(after)
        await websocket.aclose(1011)

    told = 0
    async with sending(dial, SECRET, jitter=lambda: 0.5) as sender:
        with trio.fail_after(30):
            while cut < 6:
                await sender.track("Tea Drunk", user_id="zoe", messageId=f"m{told}")
                told += 1
                await trio.sleep(0.001)
    past = await world.past("zoe")
    assert told > 5
    assert Counter(type(fact) for fact in past)[facts.Happened] == told


async def test_the_real_service_refuses_what_a_browsers_key_may_not_say(world):
    @asynccontextmanager
    async def dial():
        yield await world.dial(EVENTS_PATH)

    refused = []
    async with sending(dial, PUBLISHABLE, refused=refused.append) as sender:
        await sender.track("Order Prepared", {"order_id": "o"}, user_id="zoe")
    assert [one.code for one in refused] == ["forbidden"]


# With a real process.


@pytest.fixture
def serving(tmp_path):
    one = Serving(tmp_path)
    one.start()
    yield one
    one.clean_up()


async def test_restarts_of_the_real_service_lose_nothing_and_take_nothing_twice(serving):
    count = 900
    reached = {300: trio.Event(), 600: trio.Event()}

    async def restart():
        for at, ending in ((300, signal.SIGTERM), (600, signal.SIGKILL)):
            await reached[at].wait()
            await trio.to_thread.run_sync(serving.end, ending)
            await trio.to_thread.run_sync(serving.start)

    dial = dialling(f"ws://127.0.0.1:{serving.gateway}{EVENTS_PATH}")
    async with (
        sending(dial, KEY, limit=100, close_within=60) as sender,
        trio.open_nursery() as life,
    ):
        life.start_soon(restart)
        for n in range(count):
            user, product = f"zoe-{n % 40}", {"product_id": f"p{n % 7}"}
            await sender.track("Product Viewed", product, user_id=user, messageId=f"m{n}")
            if n + 1 in reached:
                reached[n + 1].set()
    assert sender.waiting == 0
    assert await trio.to_thread.run_sync(serving.end, signal.SIGTERM) == 0
    seen = await journalled(serving.folder, [f"zoe-{n}" for n in range(40)])
    assert seen == Counter(f"m{n}" for n in range(count))
