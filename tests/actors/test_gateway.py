"""The gateway, spoken to over real loopback TCP by a websocket client that is not ours.

The client is the `websockets` package in worker threads; the service runs on the wall clock over
the store in memory, which a test can make stuck.
"""

from __future__ import annotations

import socket
import threading
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
import trio
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from actors import gateway, service, templates
from actors.clock import WallClock
from actors.outside import open_outside
from actors.store.memory import MemoryStore
from ecrm.moment import CustomerId, Instant
from proto import notices
from tests.worlds import LINK_KEY, PUBLISHABLE, SECRET, read_templates, settings_in

PATIENCE = 5


class Talk:
    """A client's side of the conversation, in the notation it was begun in."""

    def __init__(self, websocket, *, binary=False):
        self.websocket = websocket
        self.binary = binary

    def say(self, frame):
        if isinstance(frame, dict):
            encode = msgspec.msgpack.encode if self.binary else msgspec.json.encode
            frame = encode(frame)
            frame = frame if self.binary else frame.decode()
        self.websocket.send(frame)

    def hear(self):
        frame = self.websocket.recv(timeout=PATIENCE)
        assert isinstance(frame, bytes) is self.binary
        decode = msgspec.msgpack.decode if self.binary else msgspec.json.decode
        return decode(frame)

    def ask(self, frame):
        self.say(frame)
        return self.hear()

    def greet(self, key=SECRET):
        return self.ask({"type": "hello", "key": key, "client": "test/1"})

    def answers(self, count):
        """Frames until so many ids are answered: type by id."""
        found = {}
        while len(found) < count:
            answer = self.hear()
            ids = answer.get("ids") or [answer["id"]]
            found |= dict.fromkeys(ids, answer["type"])
        return found

    def told_off(self, frame):
        """The code of the close that this frame brings, without a word before it."""
        with pytest.raises(ConnectionClosed) as closed:
            self.ask(frame)
        return closed.value.rcvd.code

    def ending(self):
        """The last frame, and the code of the close after it."""
        last = self.hear()
        with pytest.raises(ConnectionClosed) as closed:
            self.websocket.recv(timeout=PATIENCE)
        return last, closed.value.rcvd.code


def track(message_id, event="Product Viewed", user="zoe", **properties):
    told = {"product_id": "cup", **properties} if event.startswith("Product") else properties
    return {
        "type": "track",
        "messageId": message_id,
        "userId": user,
        "event": event,
        "properties": told,
    }


def batch(*messages):
    return {"type": "batch", "batch": list(messages)}


class StuckStore(MemoryStore):
    """A store whose commits wait, once it is stuck, until it is let go. Called from threads."""

    def __init__(self, now):
        super().__init__(now)
        self._free = trio.Event()
        self._free.set()
        self._waiting = trio.Event()

    async def commit(self, commit):
        self._waiting.set()
        await self._free.wait()
        await super().commit(commit)

    def stick(self):
        trio.from_thread.run_sync(self._stick)

    def _stick(self):
        self._free, self._waiting = trio.Event(), trio.Event()

    def until_stuck(self):
        trio.from_thread.run(self._waiting.wait)

    def let_go(self):
        trio.from_thread.run_sync(self._free.set)


class Served:
    def __init__(self, running, store, port):
        self.service = running
        self.store = store
        self.port = port

    def url(self, path=gateway.EVENTS_PATH):
        return f"ws://127.0.0.1:{self.port}{path}"

    async def talks(self, conversation, *args):
        """Hold a conversation in a thread, on a connection of its own."""
        return await trio.to_thread.run_sync(partial(self._talk, conversation, args))

    def _talk(self, conversation, args):
        with connect(self.url(), compression=None, max_size=None) as websocket:
            return conversation(Talk(websocket), *args)


@asynccontextmanager
async def serving(folder, **changes):
    """The service on a port of its own; leaving stops it as a SIGTERM does."""
    configured = settings_in(folder, **changes)
    read = read_templates(templates.ROOT, configured.shop)
    clock = WallClock()
    store = StuckStore(clock.now)
    async with trio.open_nursery() as connections:
        async with (
            open_outside() as outside,
            service.running(configured, store, clock, outside, LINK_KEY, read) as running,
        ):
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            port = listeners[0].socket.getsockname()[1]
            async with trio.open_nursery() as listening:
                listening.start_soon(
                    partial(
                        trio.serve_listeners,
                        running.gateway.serve_stream,
                        listeners,
                        handler_nursery=connections,
                    )
                )
                yield Served(running, store, port)
                listening.cancel_scope.cancel()
        connections.cancel_scope.cancel()


@pytest.fixture
async def served(tmp_path):
    async with serving(tmp_path) as served:
        yield served


async def test_a_key_is_welcomed_and_told_the_bounds(served):
    welcome = await served.talks(Talk.greet)
    assert welcome["type"] == "welcome"
    assert welcome["window"] == 1_024
    assert welcome["maxFrameBytes"] == 262_144
    assert welcome["serverTime"].endswith("Z")
    assert welcome["session"]


@pytest.mark.parametrize("binary", [False, True])
async def test_a_message_is_acknowledged_in_its_own_notation(served, binary):
    def conversation(talk):
        talk.binary = binary
        assert talk.greet()["type"] == "welcome"
        return talk.ask(track("m1"))

    assert await served.talks(conversation) == {"type": "ack", "ids": ["m1"]}
    rows = await served.store.journal(CustomerId("zoe"), before=None, limit=9)
    assert len(rows) == 1


async def test_a_wrong_message_is_rejected_with_its_path_and_the_rest_of_the_batch_goes_on(served):
    def conversation(talk):
        talk.greet()
        wrong = track("m2", "Order Completed", order_id="o", products=[{"product_id": 7}])
        talk.say(batch(track("m1"), wrong, track("m3")))
        heard = [talk.hear(), talk.hear()]
        while sum(len(answer.get("ids", ())) for answer in heard) < 2:
            heard.append(talk.hear())
        return heard

    heard = await served.talks(conversation)
    (reject,) = [answer for answer in heard if answer["type"] == "reject"]
    assert reject == {
        "type": "reject",
        "id": "m2",
        "code": "invalid",
        "path": "$.properties.products[0].product_id",
        "reason": "Expected `str`, got `int`",
    }
    acked = [i for answer in heard if answer["type"] == "ack" for i in answer["ids"]]
    assert acked == ["m1", "m3"]


async def test_what_a_browsers_key_may_not_say_is_refused(served):
    def conversation(talk):
        talk.greet(PUBLISHABLE)
        paid = track("m1", "Order Paid", order_id="o", total=1, currency="EUR")
        refused = talk.ask({**paid, "anonymousId": "v1"})
        return refused, talk.ask({"type": "subscribe", "topics": ["mail"]})

    refused, unsubscribed = await served.talks(conversation)
    assert (refused["type"], refused["code"], refused["id"]) == ("reject", "forbidden", "m1")
    assert (unsubscribed["type"], unsubscribed["code"]) == ("error", "forbidden")


async def test_a_repeat_is_acknowledged_and_applied_once(served):
    def conversation(talk):
        talk.greet()
        return [talk.ask(track("m1")), talk.ask(track("m1"))]

    ack = {"type": "ack", "ids": ["m1"]}
    assert await served.talks(conversation) == [ack, ack]
    assert await served.talks(conversation) == [ack, ack]
    rows = await served.store.journal(CustomerId("zoe"), before=None, limit=9)
    assert len(rows) == 1


# What ends a connection.


async def test_an_unknown_key_is_turned_away(served):
    def conversation(talk):
        talk.say({"type": "hello", "key": "sk_wrong"})
        return talk.ending()

    last, code = await served.talks(conversation)
    assert (last["type"], last["code"], code) == ("error", "unauthorized", 4401)
    assert "[[keys]]" in last["reason"]


async def test_nothing_is_looked_at_before_the_hello(served):
    def conversation(talk):
        talk.say(track("m1"))
        return talk.ending()

    last, code = await served.talks(conversation)
    assert (last["code"], code) == ("unauthorized", 4401)
    assert await served.store.journal(CustomerId("zoe"), before=None, limit=9) == []


async def test_who_says_nothing_is_turned_away(served, monkeypatch):
    monkeypatch.setattr(gateway, "HELLO_WITHIN", 0.05)
    last, code = await served.talks(Talk.ending)
    assert (last["code"], code) == ("unauthorized", 4401)


@pytest.mark.parametrize("frame", ["no json", "[]", '{"type": "sing"}', b"\xc1"])
async def test_a_malformed_frame_ends_the_connection_with_what_is_wrong(served, frame):
    def conversation(talk):
        talk.greet()
        talk.binary = isinstance(frame, bytes)
        talk.say(frame)
        return talk.ending()

    last, code = await served.talks(conversation)
    assert (last["type"], last["code"], code) == ("error", "invalid_frame", 1007)
    assert last["reason"]


async def test_text_that_is_no_utf_8_ends_its_connection_and_no_other(served):
    def conversation(talk):
        talk.greet()
        with connect(served.url()) as odd:
            odd.send(b"\xff\xfe", text=True)
            with pytest.raises(ConnectionClosed):
                odd.recv(timeout=PATIENCE)
        return talk.ask(track("m1"))

    assert await served.talks(conversation) == {"type": "ack", "ids": ["m1"]}


async def test_half_a_megabyte_is_answered_in_words_and_then_closed(served):
    def conversation(talk):
        talk.greet()
        talk.say("x" * 500_000)
        return talk.ending()

    last, code = await served.talks(conversation)
    assert (last["type"], last["code"], code) == ("error", "too_large", 1009)
    assert "262144" in last["reason"]


async def test_a_frame_beyond_all_bounds_is_closed_unread(served):
    def conversation(talk):
        talk.greet()
        return talk.told_off("x" * 1_000_000)

    assert await served.talks(conversation) == 1009


async def test_an_unknown_path_is_a_404_that_names_the_known_ones(served):
    def dial():
        with pytest.raises(InvalidStatus) as refused, connect(served.url("/v2/events")):
            pass
        return refused.value.response

    response = await trio.to_thread.run_sync(dial)
    assert response.status_code == 404
    assert b"/v1/events" in response.body


# Others go on.


async def test_a_connection_that_breaks_touches_no_other(served, monkeypatch):
    authenticate = served.service.keyring.authenticate

    def broken(key):
        if key == "boom":
            raise ZeroDivisionError
        return authenticate(key)

    monkeypatch.setattr(served.service.keyring, "authenticate", broken)

    def conversation(talk):
        talk.greet()
        with connect(served.url()) as other:
            other.send('{"type": "hello", "key": "boom"}')
            with pytest.raises(ConnectionClosed):
                other.recv(timeout=PATIENCE)
        with socket.create_connection(("127.0.0.1", served.port)) as stranger:
            stranger.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        with connect(served.url()) as rude:
            rude.send(msgspec.json.encode({"type": "hello", "key": SECRET}).decode())
            rude.send(msgspec.json.encode(batch(track("r1"), track("r2"))).decode())
            rude.socket.close()
        return talk.ask(track("m1"))

    assert await served.talks(conversation) == {"type": "ack", "ids": ["m1"]}


async def test_pings_are_answered_while_the_turn_loop_waits_for_the_disk(served):
    def conversation(talk):
        talk.greet()
        served.store.stick()
        talk.say(track("m1"))
        served.store.until_stuck()
        assert talk.websocket.ping().wait(timeout=PATIENCE)
        with pytest.raises(TimeoutError):
            talk.websocket.recv(timeout=0.01)
        served.store.let_go()
        return talk.hear()

    assert await served.talks(conversation) == {"type": "ack", "ids": ["m1"]}


async def test_what_exceeds_the_window_is_busy_and_taken_when_sent_again(served):
    messages = [track(f"m{number}", user=f"c{number % 7}") for number in range(1_200)]

    def conversation(talk):
        talk.greet()
        served.store.stick()
        for start in (0, 400, 800):
            talk.say(batch(*messages[start : start + 400]))
        busy = talk.hear()
        served.store.let_go()
        taken = talk.answers(1_024)
        talk.say(batch(*(m for m in messages if m["messageId"] in busy["ids"])))
        return busy, taken, talk.answers(176)

    busy, taken, again = await served.talks(conversation)
    assert busy["type"] == "busy"
    assert busy["ids"] == [f"m{number}" for number in range(1_024, 1_200)]
    assert busy["retryAfterMs"] == 250
    assert set(taken.values()) == set(again.values()) == {"ack"}
    assert len(taken | again) == 1_200


async def test_a_full_intake_is_busy_and_takes_it_when_sent_again(served, monkeypatch):
    monkeypatch.setattr("actors.intake.SHARE", 10)

    def conversation(talk):
        talk.greet()
        served.store.stick()
        talk.say(track("first"))
        served.store.until_stuck()
        talk.say(batch(*(track(f"m{number}") for number in range(14))))
        busy = [talk.hear() for _ in range(4)]
        talk.say(track("other", user="ana"))
        served.store.let_go()
        taken = talk.answers(12)
        talk.say(batch(*(track(f"m{number}") for number in range(10, 14))))
        return busy, taken, talk.answers(4)

    busy, taken, again = await served.talks(conversation)
    assert [(answer["type"], answer["ids"]) for answer in busy] == [
        ("busy", [f"m{number}"]) for number in range(10, 14)
    ]
    assert all(answer["retryAfterMs"] >= 100 for answer in busy)
    assert taken == dict.fromkeys(("first", "other", *(f"m{n}" for n in range(10))), "ack")
    assert again == dict.fromkeys((f"m{n}" for n in range(10, 14)), "ack")


async def test_an_unknown_outcome_is_told_and_the_same_message_then_taken_once(served):
    def conversation(talk):
        talk.greet()
        served.store.fail_next(1)
        return talk.ask(track("m1")), talk.ask(track("m1"))

    failed, taken = await served.talks(conversation)
    assert failed == {"type": "unknown", "ids": ["m1"]}
    assert taken == {"type": "ack", "ids": ["m1"]}
    rows = await served.store.journal(CustomerId("zoe"), before=None, limit=9)
    assert len(rows) == 1


# Notices.


async def test_a_subscriber_hears_of_mails_and_of_nothing_it_did_not_ask_for(served):
    def conversation(talk):
        talk.greet()
        talk.say({"type": "subscribe", "topics": ["mail"]})
        talk.say(
            {
                "type": "identify",
                "messageId": "m1",
                "userId": "zoe",
                "traits": {"email": "zoe@customers.example"},
            }
        )
        talk.say(track("m2", "Order Paid", order_id="o1", total=5, currency="EUR"))
        heard = [talk.hear()]
        while heard[-1]["type"] != "notice":
            heard.append(talk.hear())
        return heard

    *acks, notice = await served.talks(conversation)
    assert {answer["type"] for answer in acks} == {"ack"}
    assert (notice["topic"], notice["event"], notice["kind"]) == ("mail", "Email Sent", "k11")
    assert notice["customerId"] == "zoe"
    assert notice["mailId"]


def shout(served):
    """As many notices at once as delivery makes on a busy day."""
    long = notices.EmailFailed(customer_id="c1", at=Instant(0), mail_id="m", response="x" * 100_000)
    for _ in range(100):
        served.service.gateway._notice(long)


async def test_who_does_not_read_is_cut_off_and_the_others_go_on(served, monkeypatch):
    monkeypatch.setattr(gateway, "FRAMES_WAITING", 100)
    monkeypatch.setattr(gateway, "CLOSE_WITHIN", 0.1)
    subscribed, done = trio.Event(), threading.Event()
    token = trio.lowlevel.current_trio_token()

    def subscribes_and_reads_no_more():
        with connect(served.url(), max_queue=1, compression=None, close_timeout=0.1) as websocket:
            subscribe(Talk(websocket))
            token.run_sync_soon(subscribed.set)
            assert done.wait(timeout=PATIENCE)

    async with trio.open_nursery() as clients:
        clients.start_soon(trio.to_thread.run_sync, subscribes_and_reads_no_more)
        await subscribed.wait()
        with trio.fail_after(PATIENCE):
            while served.service.gateway.connections:
                shout(served)
                await trio.sleep(0.01)
        assert await served.talks(greeted_and_acked) == {"type": "ack", "ids": ["m1"]}
        done.set()


async def test_who_tells_and_never_reads_the_answers_is_cut_off(served, monkeypatch):
    monkeypatch.setattr(gateway, "FRAMES_WAITING", 100)
    monkeypatch.setattr(gateway, "CLOSE_WITHIN", 0.1)

    def conversation(talk):
        talk.greet()
        wrong = {"type": "track", "messageId": "m" * 200, "event": "Product Added"}
        with pytest.raises(ConnectionClosed):
            flood(talk, batch(*[wrong] * 500))

    def dial():
        with connect(
            served.url(), max_queue=1, compression=None, max_size=None, close_timeout=0.1
        ) as websocket:
            conversation(Talk(websocket))

    await trio.to_thread.run_sync(dial)
    assert await served.talks(greeted_and_acked) == {"type": "ack", "ids": ["m1"]}


def flood(talk, frame):
    for _ in range(1_000):
        talk.say(frame)


def subscribe(talk):
    talk.greet()
    talk.say({"type": "subscribe", "topics": ["mail"]})
    # An answer to this tells that the subscription before it was heard.
    assert talk.ask(track("m0"))["type"] == "ack"


def greeted_and_acked(talk):
    talk.greet()
    return talk.ask(track("m1"))


# The end.


async def test_at_a_stop_everybody_is_told_goodbye(tmp_path):
    endings = []
    async with trio.open_nursery() as clients, serving(tmp_path) as served:
        said = trio.Event()
        token = trio.lowlevel.current_trio_token()

        def conversation(talk):
            talk.greet()
            token.run_sync_soon(said.set)
            return talk.ending()

        async def hears():
            endings.append(await served.talks(conversation))

        clients.start_soon(hears)
        await said.wait()
    ((last, code),) = endings
    assert (last["type"], last["code"], code) == ("error", "goodbye", 1001)
