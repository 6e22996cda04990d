"""A mail API that takes a key: the whole way from the queue to the request, and to the goodbye."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from actors.outside import open_holding, open_outside
from actors.transports.http import HttpSettings, HttpTransport, InDoubt
from actors.transports.opening import open_transport
from ecrm.delivery.answers import Response
from ecrm.moment import DAY, HOUR, MINUTE
from tests.actors.fake_provider import authority, open_provider
from tests.actors.house import START, a_mail
from tests.actors.offices import Office
from tests.actors.test_http_transport import BODY, TOKEN, letter
from tests.worlds import settings_in


class Forgetful:
    """A line on which the first answers are lost."""

    connections = 2

    def __init__(self, clock, lost):
        self.clock, self.lost, self.posts, self.said = clock, lost, [], set()

    async def post(self, url, headers, body, deadline):
        self.posts.append(self.clock.now() - START)
        self.said.add(headers.get("Idempotency-Key", "") + body.decode())
        if len(self.posts) <= self.lost:
            raise InDoubt("no answer in time")
        return Response(200, {"content-type": "application/json"}, b'{"id": "r-1"}')


async def posts_of(clock, provider, lost):
    """What an office posts over a line like that, and how it ends."""
    office = Office()
    office.press.compose = lambda _wanted: SimpleNamespace(bytes=BODY, destinations=())
    line = Forgetful(office.clock, lost)
    async with open_holding(clock) as door:
        settings = HttpSettings(provider, "", TOKEN)
        office.delivery._transport = HttpTransport(settings, line, door, office.clock.now)
        await office.queue(a_mail("m1", lane=2, not_after=START + 3 * DAY))
        await office.works(3 * DAY)
    (said,) = line.said
    assert "m1" in said
    return line.posts, office.states()["m1"]


async def test_resend_is_asked_once_more_with_the_same_key(autojump_clock):
    times, state = await posts_of(autojump_clock, "resend", 1)
    assert (len(times), state) == (2, "accepted")
    assert MINUTE <= times[1] <= 1.1 * MINUTE


@pytest.mark.parametrize(
    ("provider", "lasts"), [("resend", 24 * HOUR), ("brevo", 15 * MINUTE), ("postmark", 1)]
)
async def test_no_key_is_used_past_the_time_that_it_is_known(autojump_clock, provider, lasts):
    times, state = await posts_of(autojump_clock, provider, 99)
    assert state == "accepted_unknown"
    assert max(times) < lasts


async def test_the_connections_that_are_kept_are_closed_with_the_service(tmp_path, monkeypatch):
    roots = tmp_path / "roots.pem"
    authority("ours").cert_pem.write_to_path(roots)
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    async with open_outside() as door, open_provider() as fake:
        http = HttpSettings("postmark", fake.url, TOKEN)
        configured = settings_in(tmp_path, transport="http", http=http)
        clock = SimpleNamespace(now=lambda: START)
        async with open_transport(configured, door, clock) as transport:
            (handed,) = await transport.send([letter("m1")])
            assert handed.verdict == "accepted"
            pool = transport._poster._session._conn_pool
            (kept,) = pool
        assert len(pool) == 0
        assert not kept._active
