"""Our own client: it tells everything once, whatever the service answers on the way."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
import trio_websocket
from trio.testing import memory_stream_pair

from actors.client import BATCH, Refusal, Unwelcome, greet

WELCOME = {"type": "welcome", "session": "s1", "window": 700}


class Service:
    """The other end, which answers as a test tells it to."""

    def __init__(self, websocket):
        self.websocket = websocket
        self.heard = []

    async def hear(self):
        frame = msgspec.msgpack.decode(await self.websocket.get_message())
        self.heard.append(frame)
        return frame

    async def say(self, **frame):
        await self.websocket.send_message(msgspec.msgpack.encode(frame))

    async def welcome(self, **changes):
        await self.hear()
        await self.say(**{**WELCOME, **changes})

    @property
    def ids(self):
        """The ids of each batch that was told."""
        batches = [frame["batch"] for frame in self.heard if frame["type"] == "batch"]
        return [[message["messageId"] for message in batch] for batch in batches]


@asynccontextmanager
async def talking(behave):
    """A websocket to a service that does `behave`."""
    ours, theirs = memory_stream_pair()

    async with trio.open_nursery() as nursery:

        async def accept():
            request = await trio_websocket.wrap_server_stream(nursery, theirs)
            service.websocket = await request.accept()
            await behave(service)

        service = Service(None)
        nursery.start_soon(accept)
        websocket = await trio_websocket.wrap_client_stream(
            nursery, ours, "shop.test", "/v1/events"
        )
        yield websocket, service
        nursery.cancel_scope.cancel()


def messages(count):
    return [{"type": "track", "messageId": f"m{n}", "event": "x"} for n in range(count)]


async def acknowledge(service):
    while True:
        told = await service.hear()
        await service.say(type="ack", ids=[message["messageId"] for message in told["batch"]])


async def test_what_is_acknowledged_is_told_once_and_within_the_window(autojump_clock):
    async def behave(service):
        await service.welcome(window=300)
        await acknowledge(service)

    async with talking(behave) as (websocket, service):
        client = await greet(websocket, "sk")
        assert await client.send(messages(700)) == []
    assert [len(ids) for ids in service.ids] == [300, 300, 100]
    assert service.heard[0] == {"type": "hello", "key": "sk", "client": "ecrm-trio/1"}


async def test_batches_hold_what_the_wire_allows(autojump_clock):
    async def behave(service):
        await service.welcome(window=10_000)
        await acknowledge(service)

    async with talking(behave) as (websocket, service):
        client = await greet(websocket, "sk")
        await client.send(messages(BATCH + 1))
    assert [len(ids) for ids in service.ids] == [500, 1]


async def test_large_messages_travel_in_frames_that_the_service_takes(autojump_clock):
    async def behave(service):
        await service.welcome(maxFrameBytes=10_000)
        await acknowledge(service)

    large = [{**message, "properties": {"x": "y" * 3_000}} for message in messages(7)]
    async with talking(behave) as (websocket, service):
        client = await greet(websocket, "sk")
        assert await client.send(large) == []
    assert service.ids == [["m0", "m1", "m2"], ["m3", "m4", "m5"], ["m6"]]
    assert all(len(msgspec.msgpack.encode(frame)) <= 10_000 for frame in service.heard)


async def test_what_is_refused_is_returned_and_the_rest_goes_on(autojump_clock):
    async def behave(service):
        await service.welcome()
        await service.hear()
        await service.say(type="reject", id="m1", code="invalid", path="$.event", reason="no")
        await service.say(type="ack", ids=["m0"])
        await service.say(type="ack", ids=["m2"])

    async with talking(behave) as (websocket, _):
        client = await greet(websocket, "sk")
        refused = await client.send(messages(3))
    assert refused == [Refusal("m1", "invalid", "no", "$.event")]


async def test_what_the_service_is_too_busy_for_is_sent_again_after_the_time_it_asks(
    autojump_clock,
):
    told_at = []

    async def behave(service):
        await service.welcome()
        await service.hear()
        await service.say(type="ack", ids=["m0"])
        await service.say(type="busy", ids=["m1", "m2"], retryAfterMs=1_500)
        await service.hear()
        told_at.append(trio.current_time())
        await service.say(type="ack", ids=["m1", "m2"])

    async with talking(behave) as (websocket, service):
        client = await greet(websocket, "sk")
        assert await client.send(messages(3)) == []
    assert told_at == [1.5]
    assert service.ids == [["m0", "m1", "m2"], ["m1", "m2"]]


async def test_an_unknown_outcome_is_sent_again_at_once_with_the_same_id(autojump_clock):
    async def behave(service):
        await service.welcome()
        await service.hear()
        await service.say(type="unknown", ids=["m0"])
        await acknowledge(service)

    async with talking(behave) as (websocket, service):
        client = await greet(websocket, "sk")
        assert await client.send(messages(1)) == []
        assert trio.current_time() == 0
    assert service.ids == [["m0"], ["m0"]]


async def test_a_notice_in_between_is_passed_over(autojump_clock):
    async def behave(service):
        await service.welcome()
        await service.hear()
        await service.say(type="notice", topic="mail", event="Email Sent")
        await service.say(type="ack", ids=["m0"])

    async with talking(behave) as (websocket, _):
        client = await greet(websocket, "sk")
        assert await client.send(messages(1)) == []


async def test_nothing_to_tell_is_told_to_nobody(autojump_clock):
    async with talking(Service.welcome) as (websocket, service):
        client = await greet(websocket, "sk")
        assert await client.send([]) == []
    assert service.ids == []


async def test_a_key_that_is_not_taken_is_said_so(autojump_clock):
    async def behave(service):
        await service.hear()
        await service.say(type="error", code="unauthorized", reason="no such key")

    async with talking(behave) as (websocket, _):
        with pytest.raises(Unwelcome, match="no such key"):
            await greet(websocket, "sk")


async def test_an_error_in_the_middle_is_raised_with_its_reason(autojump_clock):
    async def behave(service):
        await service.welcome()
        await service.hear()
        await service.say(type="error", code="too_large", reason="the frame has 300000 bytes")

    async with talking(behave) as (websocket, _):
        client = await greet(websocket, "sk")
        with pytest.raises(Unwelcome, match="300000 bytes"):
            await client.send(messages(1))


async def test_a_service_that_answers_in_text_is_none_of_ours(autojump_clock):
    async def behave(service):
        await service.hear()
        await service.websocket.send_message('{"type": "welcome"}')

    async with talking(behave) as (websocket, _):
        with pytest.raises(Unwelcome, match="in text"):
            await greet(websocket, "sk")


async def test_a_service_that_goes_away_is_noticed(autojump_clock):
    async def behave(service):
        await service.welcome()
        await service.hear()
        await service.websocket.aclose(1001)

    async with talking(behave) as (websocket, _):
        client = await greet(websocket, "sk")
        with pytest.raises(trio_websocket.ConnectionClosed):
            await client.send(messages(1))
