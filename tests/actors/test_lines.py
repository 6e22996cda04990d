"""Lines into the house over real loopback TCP: who may come in from where, how many at a time, and
that the silent and the revoked do not stay.
"""

from __future__ import annotations

import socket
from functools import partial

import msgspec
import pytest
import trio
import trio.testing
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from actors import gateway, line, settings
from actors.limits import Bounds, GatewaySection
from actors.line import Ear
from actors.settings import WebSection
from actors.turnstile import Turnstile
from ecrm.moment import CustomerId
from proto import identity
from tests.actors.test_gateway import PATIENCE, Talk, serving, track
from tests.worlds import OPERATOR, PUBLISHABLE, SECRET

SHOP = "https://www.boutique.example"


def gate(**changes):
    return GatewaySection(ping_after="", **changes)


async def in_thread(deed, *args, **more):
    return await trio.to_thread.run_sync(partial(deed, *args, **more))


def talking(served, conversation, **dialled):
    """Hold a conversation on a connection dialled in its own way."""
    with connect(served.url(), compression=None, **dialled) as websocket:
        return conversation(Talk(websocket))


def turned_away(served, key, **dialled):
    """The last words to a hello with this key, and the code of the close."""

    def conversation(talk):
        talk.say({"type": "hello", "key": key})
        return talk.ending()

    return talking(served, conversation, **dialled)


def refused(served, **dialled):
    """The status of an HTTP answer that is no websocket."""
    with pytest.raises(InvalidStatus) as answer, connect(served.url(), **dialled):
        pass
    return answer.value.response


# From where.


async def test_a_key_of_some_pages_is_taken_from_these_and_from_no_other(tmp_path):
    async with serving(tmp_path) as served:
        served.service.keyring.add((settings.Key("front", "publishable", "pk_front", (SHOP,)),))
        greet = partial(Talk.greet, key="pk_front")
        welcome = await in_thread(talking, served, greet, origin=SHOP)
        assert welcome["type"] == "welcome"
        for origin in ("https://evil.example", "http://www.boutique.example", None):
            last, code = await in_thread(turned_away, served, "pk_front", origin=origin)
            assert (last["code"], code) == ("unauthorized", 4401)
            assert "origins" in last["reason"]


# Who.


async def test_a_forged_user_is_refused_and_nothing_of_it_is_kept(tmp_path):
    async with serving(tmp_path) as served:
        served.service.keyring.add((settings.Key("i", "identity", "is_1"),))
        proof = identity.user_hash("is_1", "zoe")

        def conversation(talk):
            hello = {"type": "hello", "key": PUBLISHABLE, "userId": "zoe", "userHash": proof}
            assert talk.ask(hello)["type"] == "welcome"
            forged = {**track("f1", user="max"), "userHash": proof}
            paid = track("f2", "Order Paid", order_id="o", total=1, currency="EUR")
            address = {"type": "identify", "messageId": "f3", "userId": "zoe"}
            address["traits"] = {"email": "thief@evil.example"}
            said = [talk.ask(message) for message in (forged, paid, address)]
            return said, talk.ask(track("m1"))

        said, taken = await served.talks(conversation)
        assert [answer["code"] for answer in said] == ["forbidden"] * 3
        assert taken == {"type": "ack", "ids": ["m1"]}
        assert await served.store.journal(CustomerId("max"), before=None, limit=9) == []
        assert len(await served.store.journal(CustomerId("zoe"), before=None, limit=9)) == 1
        assert len(served.store._dedupe) == 1


# How fast.


async def test_a_stranger_who_speaks_in_crumbs_is_heard_less_and_less(autojump_clock, nursery):
    theirs, ours = trio.testing.memory_stream_pair()
    ear = Ear(ours, Turnstile(1))
    heard = []

    async def hear():
        while data := await ear.receive_some(4_096):
            heard.append((trio.current_time(), len(data)))

    start = trio.current_time()
    async with trio.open_nursery() as listening:
        listening.start_soon(hear)
        for _ in range(100):
            await theirs.send_all(b"x")
            await trio.sleep(0.1)
        await theirs.aclose()
    assert sum(size for _, size in heard) == 100
    times = [round(at - start, 1) for at, _ in heard]
    assert times[:6] == [0.1, 0.3, 0.7, 1.5, 3.1, 6.3]


async def test_a_back_end_is_heard_while_browsers_wait_for_their_turn(tmp_path):
    async with serving(tmp_path, gateway=gate()) as served:
        shut = served.service.door.browsers = Turnstile(0)

        def conversation(talk):
            talk.greet()
            with connect(served.url(), compression=None) as socket_of_a_page:
                page = Talk(socket_of_a_page)
                page.greet(PUBLISHABLE)
                page.say({**track("p1"), "userId": None, "anonymousId": "v1"})
                heard = [talk.ask(track(f"m{number}"))["type"] for number in range(20)]
                with pytest.raises(TimeoutError):
                    page.websocket.recv(timeout=0)
                shut._abreast = 1
                return [*heard, page.hear()["type"]]

        assert await served.talks(conversation) == ["ack"] * 21


# How many.


async def test_too_many_silent_ones_are_told_so_and_those_who_speak_go_on(tmp_path):
    at = gate(limits=Bounds(silent_per_address=3))
    async with serving(tmp_path, gateway=at) as served:

        def conversation(talk):
            talk.greet()
            silent = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(3)]
            while served.service.door.limits.silent < 3:
                pass
            answer = refused(served)
            for one in silent:
                one.close()
            return answer, talk.ask(track("m1"))

        answer, taken = await served.talks(conversation)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
        assert taken == {"type": "ack", "ids": ["m1"]}


async def test_connections_of_browsers_are_counted_and_room_comes_back(tmp_path):
    at = gate(limits=Bounds(connections_per_address=2))
    async with serving(tmp_path, gateway=at) as served:

        def conversation(talk):
            talk.greet(PUBLISHABLE)
            with connect(served.url()) as second:
                Talk(second).greet(PUBLISHABLE)
                last, code = turned_away(served, PUBLISHABLE)
                back_end = talking(served, partial(Talk.greet, key=SECRET))
            return last, code, back_end

        last, code, back_end = await served.talks(conversation)
        assert (last["code"], code) == ("limited", 4429)
        assert back_end["type"] == "welcome"
        with trio.fail_after(PATIENCE):
            while served.service.door.limits.visits:
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert (await served.talks(partial(Talk.greet, key=PUBLISHABLE)))["type"] == "welcome"


async def test_behind_a_proxy_it_is_the_customers_who_are_counted(tmp_path):
    at = gate(limits=Bounds(connections_per_address=1))
    behind = WebSection(trusted_proxies=("127.0.0.1",))
    async with serving(tmp_path, gateway=at, web=behind) as served:

        def of(address):
            return {"additional_headers": {"X-Forwarded-For": f"6.6.6.6, {address}"}}

        def conversation(talk):
            talk.greet(PUBLISHABLE)
            other = talking(served, partial(Talk.greet, key=PUBLISHABLE), **of("192.0.2.2"))
            return turned_away(served, PUBLISHABLE, **of("192.0.2.1"))[1], other["type"]

        outcome = await in_thread(talking, served, conversation, **of("192.0.2.1"))
        assert outcome == (4429, "welcome")


async def test_a_page_that_says_too_much_is_busy_and_a_back_end_is_not(tmp_path):
    at = gate(limits=Bounds(messages_per_address=0.001))
    async with serving(tmp_path, gateway=at) as served:

        def conversation(talk):
            talk.greet(PUBLISHABLE)
            views = [{**track(f"v{n}", user=None), "anonymousId": "a"} for n in range(501)]
            talk.say({"type": "batch", "batch": views[:500]})
            taken = talk.answers(500)
            return taken, talk.ask({"type": "batch", "batch": views[499:]})

        taken, busy = await served.talks(conversation)
        assert set(taken.values()) == {"ack"}
        assert (busy["type"], busy["ids"]) == ("busy", ["v499", "v500"])
        assert 1_000_000 < busy["retryAfterMs"] <= 2_000_000
        assert await served.talks(lambda talk: (talk.greet(), talk.ask(track("m1")))[1]) == {
            "type": "ack",
            "ids": ["m1"],
        }


async def test_who_is_told_to_wait_and_does_not_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(gateway, "LONGEST_PAUSE", 60.0)
    at = gate(limits=Bounds(messages_per_address=0.001))
    async with serving(tmp_path, gateway=at) as served:

        def conversation(talk):
            talk.greet(PUBLISHABLE)
            views = [{**track(f"v{n}", user=None), "anonymousId": "a"} for n in range(500)]
            talk.say({"type": "batch", "batch": views})
            assert set(talk.answers(500).values()) == {"ack"}
            assert talk.ask(views[0])["type"] == "busy"
            talk.say(views[0])
            with pytest.raises(TimeoutError):
                talk.websocket.recv(timeout=0.2)
            return talking(served, lambda other: (other.greet(), other.ask(track("m1")))[1])

        assert await served.talks(conversation) == {"type": "ack", "ids": ["m1"]}


async def test_who_guesses_keys_hears_nothing_more_for_a_while(tmp_path):
    at = gate(limits=Bounds(wrong_keys_per_minute=3.0))
    async with serving(tmp_path, gateway=at) as served:
        codes = [(await in_thread(turned_away, served, f"ok_{n}"))[1] for n in range(3)]
        assert codes == [4401] * 3
        assert (await in_thread(turned_away, served, OPERATOR))[1] == 4429
        assert (await served.talks(partial(Talk.greet, key=PUBLISHABLE)))["type"] == "welcome"


# What is sent.


async def test_nothing_is_ever_compressed(tmp_path):
    async with serving(tmp_path) as served:

        def dial():
            with connect(served.url(), compression="deflate") as websocket:
                return websocket.response.headers.get("Sec-WebSocket-Extensions")

        assert await in_thread(dial) is None


async def test_a_frame_of_a_hundred_megabytes_is_cut_off_long_before_it_is_there(tmp_path):
    async with serving(tmp_path) as served:
        taken_before, _ = await in_thread(gigantic, served, greeted=False)
        taken_after, closed = await in_thread(gigantic, served, greeted=True)
        assert taken_before < 20_000_000
        assert taken_after < 20_000_000
        assert closed == 1009
        assert await served.talks(lambda talk: talk.greet()["type"]) == "welcome"


def gigantic(served, *, greeted):
    """Bytes of a 100 MB frame that the other side's network took, and the code of the close."""
    with connect(served.url(), compression=None, close_timeout=0.1) as websocket:
        if greeted:
            Talk(websocket).greet()
        raw = websocket.socket
        raw.settimeout(PATIENCE)
        sent, chunk = 0, bytes(65_536)
        try:
            raw.sendall(b"\x82\xff" + (100_000_000).to_bytes(8, "big") + bytes(4))
            while sent < 100_000_000:
                sent += raw.send(chunk)
        except OSError:
            pass
        try:
            websocket.recv(timeout=PATIENCE)
        except ConnectionClosed as closed:
            return sent, closed.rcvd.code if closed.rcvd else None
        return sent, None


# Who is still there.


async def test_who_answers_pings_stays_and_who_does_not_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(line, "PONG_WITHIN", 0.3)
    async with serving(tmp_path, gateway=GatewaySection(ping_after="1s")) as served:

        def conversation(talk):
            talk.greet()
            deaf = socket.create_connection(("127.0.0.1", served.port))
            deaf.sendall(
                b"GET /v1/events HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            hello = msgspec.json.encode({"type": "hello", "key": SECRET})
            deaf.sendall(b"\x81" + bytes([0x80 | len(hello)]) + bytes(4) + hello)
            deaf.settimeout(PATIENCE)
            heard = b""
            while part := deaf.recv(4_096):
                heard += part
            deaf.close()
            return heard, talk.ask(track("m1"))

        heard, taken = await served.talks(conversation)
        assert b"\x89\x06there?" in heard
        assert taken == {"type": "ack", "ids": ["m1"]}


# Revoked.


async def ask(served, op, **request):
    frame = msgspec.json.encode({"id": 1, "op": op, **request})
    return await served.service.console.answer(frame)


async def test_a_revoked_key_ends_its_connections_at_once_and_no_others(tmp_path):
    async with serving(tmp_path) as served:
        added = (await ask(served, "add-key", kind="secret", name="old"))["result"]
        hearing = trio.Event()
        token = trio.lowlevel.current_trio_token()

        def conversation(talk):
            talk.greet(added["key"])
            assert talk.ask(track("m1"))["type"] == "ack"
            token.run_sync_soon(hearing.set)
            return talk.ending()

        def other(talk):
            talk.greet()
            return outcomes.append(trio.from_thread.run(revoke)), talk.ask(track("m2"))

        async def revoke():
            await hearing.wait()
            return await ask(served, "revoke-key", name="old")

        outcomes, endings = [], []

        async def first():
            endings.append(await served.talks(conversation))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(first)
            _, taken = await served.talks(other)
        assert outcomes[0]["result"]["revoked"] is True
        ((last, code),) = endings
        assert (last["code"], last["reason"], code) == (
            "unauthorized", "this key was revoked", 4401,
        )  # fmt: skip
        assert taken == {"type": "ack", "ids": ["m2"]}
        assert (await in_thread(turned_away, served, added["key"]))[1] == 4401


async def test_an_operator_whose_key_is_revoked_is_put_out_too(tmp_path):
    async with serving(tmp_path) as served:
        added = (await ask(served, "add-key", kind="operator", name="guest"))["result"]

        def conversation():
            with connect(served.url(gateway.CONSOLE_PATH)) as websocket:
                talk = Talk(websocket)
                talk.greet(added["key"])
                answer = talk.ask({"id": 1, "op": "revoke-key", "name": "guest"})
                with pytest.raises(ConnectionClosed) as closed:
                    websocket.recv(timeout=PATIENCE)
                return answer["ok"], closed.value.rcvd.code

        assert await in_thread(conversation) == (True, 4401)
