"""What asks is held to: one request, to one host, and an honest word about what became of it."""

from __future__ import annotations

import ssl
import traceback
from contextlib import aclosing, nullcontext

import anyio
import pytest
import trio
import trio.testing

from actors.transports import asks_adapter
from actors.transports.asks_adapter import AsksAdapter
from actors.transports.http import InDoubt, NotSent
from tests.actors.fake_provider import (
    STALL,
    answer_and_leave,
    hang_up,
    never_end,
    open_provider,
    raw,
    reply,
    say_nothing,
    trusting,
)

SECRET = "sesame-0123456789"
HEADERS = {"Authorization": f"Bearer {SECRET}", "Content-Type": "text/plain"}


@pytest.fixture
async def fake():
    async with open_provider() as provider:
        yield provider


def adapter_for(fake, **more):
    return aclosing(AsksAdapter(fake.url, ssl_context=trusting(), **more))


@pytest.fixture
async def adapter(fake):
    async with adapter_for(fake) as open_adapter:
        yield open_adapter


async def post(fake, *, adapter=None, within=30.0, body=b"hello", headers=HEADERS):
    deadline = trio.current_time() + within
    async with adapter_for(fake) if adapter is None else nullcontext(adapter) as one:
        return await one.post(fake.url, headers, body, deadline)


async def run_out(clock, fake):
    """Let the time for a post pass, once the provider is silent."""
    await fake.silence()
    clock.jump(60)


async def test_a_post_arrives_as_it_was_written(fake):
    fake.script.append(reply(202, b'{"id": 1}', X_Message_Id="m-7", Set_Cookie="a=b"))
    response = await post(fake)
    [request] = fake.requests
    assert (response.status, response.body) == (202, b'{"id": 1}')
    assert response.headers["x-message-id"] == "m-7"
    assert (request.method, request.target, request.body) == ("POST", "/mail", b"hello")
    assert request.headers == {
        "host": fake.url.split("/")[2],
        "connection": "keep-alive",
        "accept-encoding": "identity",
        "accept": "*/*",
        "content-length": "5",
        "content-type": "text/plain",
        "user-agent": "ecrm",
        "authorization": f"Bearer {SECRET}",
    }


async def test_a_cookie_is_not_brought_back(fake, adapter):
    fake.script.append(reply(200, Set_Cookie="session=1"))
    for _ in range(2):
        await post(fake, adapter=adapter)
    assert "cookie" not in fake.requests[1].headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_nobody_else_hears_of_it(fake, status):
    async with open_provider() as other:
        fake.script.append(reply(status, Location=other.url))
        response = await post(fake)
        assert (response.status, response.headers["location"]) == (status, other.url)
        assert (len(fake.requests), other.connections) == (1, 0)


@pytest.mark.parametrize("status", [400, 401, 406, 408, 409, 422, 425, 429, 500, 503])
async def test_a_refusal_is_tried_once_and_told_as_it_is(fake, status):
    fake.script.append(reply(status, b"no"))
    response = await post(fake)
    assert (response.status, response.body, len(fake.requests)) == (status, b"no", 1)


async def test_a_connection_that_stays_is_used_again(fake, adapter):
    for _ in range(3):
        await post(fake, adapter=adapter)
    assert (len(fake.requests), fake.connections) == (3, 1)


async def test_a_connection_that_was_closed_meanwhile_is_not_written_to(fake, adapter):
    fake.script.append(answer_and_leave)
    await post(fake, adapter=adapter)
    # The end of the connection arrives without anybody waiting for it.
    [line] = adapter._session._conn_pool
    await trio.lowlevel.wait_readable(line._stream.extra(asks_adapter.SocketAttribute.raw_socket))
    assert (await post(fake, adapter=adapter)).status == 200
    assert (len(fake.requests), fake.connections) == (2, 2)


async def test_a_connection_that_waited_long_is_not_used_again(fake, adapter, monkeypatch):
    monkeypatch.setattr(asks_adapter, "IDLE", 0.0)
    for _ in range(2):
        await post(fake, adapter=adapter)
    assert (len(fake.requests), fake.connections) == (2, 2)


async def test_several_are_under_way_at_a_time_and_no_more_than_allowed(fake):
    async with adapter_for(fake, connections=2) as adapter, trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(lambda: post(fake, adapter=adapter))
    assert (len(fake.requests), fake.connections) == (6, 2)


async def test_a_host_that_is_not_allowed_is_never_connected_to(adapter):
    async with open_provider() as other:
        with pytest.raises(NotSent, match="not an allowed host"):
            await post(other, adapter=adapter)
        assert other.connections == 0


async def test_nothing_is_said_in_the_clear(fake, adapter):
    plain = fake.url.replace("https:", "http:")
    with pytest.raises(NotSent, match=r"http://127\.0\.0\.1 is not an allowed host"):
        await adapter.post(plain, HEADERS, b"hello", trio.current_time() + 1)
    with pytest.raises(ValueError, match="https only"):
        AsksAdapter(plain)
    assert fake.connections == 0


def test_a_context_that_verifies_nothing_is_refused():
    lax = ssl.create_default_context()
    lax.check_hostname = False
    with pytest.raises(ValueError, match="verified"):
        AsksAdapter("https://127.0.0.1", ssl_context=lax)
    lax.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="verified"):
        AsksAdapter("https://127.0.0.1", ssl_context=lax)


@pytest.mark.parametrize(
    "who", [{"certificate": "elsewhere.test"}, {"signed_by": "somebody"}], ids=["name", "signer"]
)
async def test_nothing_is_sent_to_whom_the_certificate_does_not_name(who):
    async with open_provider(**who) as wrong:
        with pytest.raises(NotSent, match="certificate"):
            await post(wrong)
        assert wrong.requests == []


async def test_without_a_trusted_context_the_system_decides_whom_to_trust(fake):
    with pytest.raises(NotSent, match="certificate"):
        await post(fake, adapter=AsksAdapter(fake.url))
    assert fake.requests == []


async def test_a_closed_port_is_not_sent():
    adapter = AsksAdapter("https://127.0.0.1:1")
    with pytest.raises(NotSent, match="refused"):
        await adapter.post("https://127.0.0.1:1/", HEADERS, b"x", trio.current_time() + 5)


async def test_a_connection_dropped_before_tls_is_not_sent(fake):
    fake.at_the_door = "before TLS"
    with pytest.raises(NotSent):
        await post(fake)
    assert (fake.connections, fake.requests) == (1, [])


async def test_a_connection_dropped_in_the_middle_of_the_request_is_not_sent():
    async with open_provider(buffer=4_096) as fake:
        fake.at_the_door = "after TLS"
        with pytest.raises(NotSent):
            await post(fake, body=b"x" * 16_000_000)
        assert fake.requests == []


async def test_a_connection_dropped_after_the_request_is_in_doubt(fake):
    fake.script.append(hang_up)
    with pytest.raises(InDoubt):
        await post(fake)
    assert len(fake.requests) == 1


async def test_silence_after_the_request_is_in_doubt(mock_clock, fake, nursery):
    fake.script.append(say_nothing)
    nursery.start_soon(run_out, mock_clock, fake)
    with pytest.raises(InDoubt, match="in time"):
        await post(fake)
    assert len(fake.requests) == 1


async def test_a_wait_for_a_connection_is_not_sent(fake):
    fake.script.append(say_nothing)
    async with adapter_for(fake, connections=1) as adapter, trio.open_nursery() as nursery:
        nursery.start_soon(lambda: adapter.post(fake.url, HEADERS, b"first", float("inf")))
        await fake.stalled.wait()
        with pytest.raises(NotSent, match="in time"):
            await post(fake, adapter=adapter, within=0.02)
        nursery.cancel_scope.cancel()
    assert [request.body for request in fake.requests] == [b"first"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_an_answer_that_cannot_be_read_is_in_doubt_and_asked_for_once(fake, garbage):
    fake.script.append(raw(garbage))
    with pytest.raises(InDoubt):
        await post(fake)
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 10\r\n\r\nhalf",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Type: text/html; charset=x\xff\r\n\r\n",
        b"Set-Cookie: \xff\r\nContent-Length: 2\r\n\r\n{}",
        b"X: " + b"x" * 100_000 + b"\r\n",
        b"\r\nto the end",
    ],
)
async def test_an_answer_that_breaks_off_is_known_by_its_status(fake, rest):
    fake.script.append(raw(b"HTTP/1.1 200 OK\r\n" + rest))
    response = await post(fake)
    assert (response.status, len(fake.requests)) == (200, 1)


async def test_a_slow_body_is_not_waited_for_and_its_status_counts(mock_clock, fake, nursery):
    fake.script.append(raw(b"HTTP/1.1 429 Slow\r\nContent-Length: 9\r\n\r\nhal", STALL))
    nursery.start_soon(run_out, mock_clock, fake)
    assert (await post(fake)).status == 429


async def test_an_endless_body_is_not_read_to_its_end(fake):
    fake.script.append(never_end)
    response = await post(fake)
    assert (response.status, response.body) == (200, b"")


async def test_a_broken_connection_is_not_used_again(fake, adapter):
    fake.script.extend([never_end, hang_up])
    await post(fake, adapter=adapter)
    with pytest.raises(InDoubt):
        await post(fake, adapter=adapter)
    assert (await post(fake, adapter=adapter)).status == 200
    assert (len(fake.requests), fake.connections) == (3, 3)


async def test_a_cancelled_post_ends_at_once(fake):
    fake.script.append(say_nothing)
    with trio.move_on_after(0.02) as scope:
        await post(fake)
    assert scope.cancelled_caught


async def test_no_error_repeats_what_the_headers_say(fake):
    with pytest.raises(NotSent) as caught:
        await post(fake, headers={"Authorization": f"Bearer {SECRET}\r\nBcc: all"})
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert fake.requests == []


async def test_no_second_request_follows_on_one_that_failed():
    ours, theirs = trio.testing.memory_stream_pair()
    line = asks_adapter._Line(Stream(ours))
    line.begin(5)
    for data in (b"POST / HTTP/1.1\r\n\r\n", b"hello"):
        await line.send(data)
    with pytest.raises(anyio.BrokenResourceError):
        await line.send(b"POST / HTTP/1.1\r\n\r\n")
    assert await theirs.receive_some() == b"POST / HTTP/1.1\r\n\r\nhello"


class Stream:
    def __init__(self, stream):
        self.send = stream.send_all


async def test_closing_ends_the_connections_that_were_kept(fake, adapter):
    await post(fake, adapter=adapter)
    await adapter.aclose()
    await post(fake, adapter=adapter)
    assert fake.connections == 2


async def test_a_get_asks_for_what_is_there_and_sends_nothing(fake, adapter):
    fake.script.append(reply(200, b"a certificate"))
    response = await adapter.get(f"{fake.url}/x.pem", trio.current_time() + 30)
    [request] = fake.requests
    assert (response.status, response.body) == (200, b"a certificate")
    assert (request.method, request.target, request.body) == ("GET", "/mail/x.pem", b"")
    assert request.headers["content-length"] == "0"


async def test_a_get_follows_no_redirect(fake, adapter):
    fake.script.append(reply(302, b"", Location=f"{fake.url}/elsewhere"))
    response = await adapter.get(fake.url, trio.current_time() + 30)
    assert (response.status, len(fake.requests)) == (302, 1)


async def test_a_get_goes_to_no_other_host(fake, adapter):
    with pytest.raises(NotSent, match="not an allowed host"):
        await adapter.get("https://other.example/x.pem", trio.current_time() + 30)
    assert fake.requests == []
