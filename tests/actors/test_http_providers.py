"""Every provider's API through the real queue: what each answer does to a mail (delivery §1.4), and
that no word of it, no log and no error holds a secret.
"""

from __future__ import annotations

import logging
import traceback
from types import SimpleNamespace

import pytest
import structlog.testing
import trio

from actors.batch import outbox_row
from actors.clock import WarpClock
from actors.delivery import Delivery
from actors.store.memory import MemoryStore
from actors.store.port import Commit
from actors.transports.http import PATIENCE, submission_of
from ecrm.delivery.limiter import limit
from ecrm.delivery.policy import Policy
from ecrm.delivery.providers import PROVIDERS, secrets_of
from ecrm.moment import MINUTE, SECOND
from tests.actors.fake_provider import STALL, hang_up, open_provider, raw, reply
from tests.actors.house import START, Nudges, a_mail
from tests.actors.test_http_transport import BODY, TOKEN, letter, open_transport

# A provider that says back to us what it was told, in whatever form.
ECHO = f'{{"message": "{" and ".join(secrets_of(TOKEN))}"}}'.encode()
INACTIVE = b'{"ErrorCode": 406, "Message": "Found inactive addresses"}'

# What is answered, and what the queue then says: the state, the attempts that it cost, and after
# how long it is tried again where no jitter is in it.
ROWS = {
    "200": (reply(200, ECHO), "accepted", 1, None),
    "202": (reply(202, ECHO), "accepted", 1, None),
    "400": (reply(400, ECHO), "dead", 1, None),
    "401": (reply(401, ECHO), "queued", 0, MINUTE),
    "406": (reply(406, INACTIVE), "dead", 1, None),
    "409": (reply(409, ECHO), "queued", 1, None),
    "429": (reply(429, ECHO, Retry_After="120"), "queued", 1, 120 * SECOND),
    "500": (reply(500, ECHO), "queued", 1, None),
    "307": (reply(307, ECHO, Location="https://localhost:1/"), "queued", 0, MINUTE),
    "dropped": (hang_up, "queued", 1, None),
    "slow body": (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", STALL), "accepted", 1, None),
}  # fmt: skip


class Press:
    """One mail for all."""

    def return_path(self, wanted):
        return ""

    def compose(self, wanted):
        return SimpleNamespace(bytes=BODY, destinations=())


async def outcome(fake, provider, lane=1):
    """What the queue says of one mail, once nothing more can be done at this instant."""
    clock = WarpClock(START, rate=0)
    store = MemoryStore(clock.now)
    await store.commit(Commit(outbox=[outbox_row(a_mail("m1", lane=lane), None)]))
    async with open_transport(fake, provider) as transport, trio.open_nursery() as nursery:
        delivery = Delivery(
            store, clock, Press(), transport,
            epoch="now", policy=Policy(limit(100)), reports=Nudges(),
        )  # fmt: skip
        nursery.start_soon(delivery.run)
        await clock.settled()
        nursery.cancel_scope.cancel()
    [row] = await store.queue_rows(None, None, 9)
    return row, store._outbox["m1"].bounce


@pytest.fixture
def kept(caplog, capfd, recwarn):
    """Gives a function: everything that was logged, printed, warned of or raised."""
    caplog.set_level(logging.DEBUG)
    said = []

    def words(*more):
        out, err = capfd.readouterr()
        said.extend((out, err, caplog.text, *map(repr, more), *map(str, recwarn)))
        return said

    return words


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
async def test_what_each_answer_does_to_a_mail_is_what_the_table_says(
    mock_clock, nursery, kept, provider
):
    async with open_provider() as fake:

        async def run_out():
            await fake.silence()
            mock_clock.jump(PATIENCE)

        nursery.start_soon(run_out)
        for number, (name, expected) in enumerate(ROWS.items(), 1):
            behave, state, attempts, after = expected
            fake.script.append(behave)
            with structlog.testing.capture_logs() as logged:
                row, bounce = await outcome(fake, provider)
            assert (row.state, row.attempts) == (state, attempts), name
            assert after is None or row.due == START + after, name
            assert bounce == ("hard" if (provider, name) == ("postmark", "406") else ""), name
            # One request each: nothing is repeated or followed behind the queue's back.
            assert len(fake.requests) == number
            assert any(entry["event"] == "mail_handed" for entry in logged)
            # It was repeated to us, and taken out.
            assert ("***" in row.response) == (name not in ("406", "dropped", "slow body")), name
            said = kept(row, *logged)
    assert not [text for text in said for secret in secrets_of(TOKEN) if secret in text]


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
async def test_a_provider_with_somebody_else_s_certificate_is_told_nothing(kept, provider):
    async with open_provider(certificate="elsewhere.test") as fake:
        with structlog.testing.capture_logs() as logged:
            row, _ = await outcome(fake, provider)
    assert (row.state, row.attempts, fake.requests) == ("queued", 0, [])
    assert "certificate" in row.response
    assert not [text for text in kept(row, *logged) if TOKEN in text]


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
async def test_marketing_of_which_nobody_knows_is_posted_again_only_under_a_key(provider):
    async with open_provider() as fake:
        fake.script.append(hang_up)
        row, _ = await outcome(fake, provider, lane=2)
    state = "queued" if PROVIDERS[provider].key_lasts else "accepted_unknown"
    assert (row.state, len(fake.requests)) == (state, 1)


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
async def test_a_traceback_of_the_door_to_a_provider_holds_no_secret(provider):
    """Whoever logs an exception with its causes logs no token."""
    async with open_provider() as fake, open_transport(fake, provider) as transport:
        for behave in (hang_up, raw(b"garbage\r\n\r\n")):
            fake.script.append(behave)
            request = transport.provider.build(submission_of(letter()), TOKEN)
            with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
                await transport._poster.post(
                    transport.endpoint, request.headers, request.body, trio.current_time() + 9
                )
            shown = "".join(traceback.format_exception(caught.value))
            assert not [secret for secret in secrets_of(TOKEN) if secret in shown]
