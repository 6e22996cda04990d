"""Opening the one transport that the settings name, and the line on which SNS is asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

import trio

from actors import doors
from actors.clock import Clock
from actors.outside import Outside
from actors.settings import Settings
from actors.transports.asks_adapter import AsksAdapter
from actors.transports.http import HttpTransport, InDoubt, NotSent, endpoint_of
from actors.transports.maildir import Maildir
from actors.transports.port import Transport
from actors.transports.smtp import open_smtp
from ecrm.errors import Undelivered

# Seconds for a certificate, or for saying yes to a subscription.
PATIENCE: Final = 10.0

# Seconds for a goodbye to the connections that are kept; they are only closed, nothing is sent.
CLOSE_WITHIN: Final = 5.0


@asynccontextmanager
async def open_transport(
    settings: Settings, outside: Outside, clock: Clock
) -> AsyncIterator[Transport]:
    """Raises Misconfigured where it cannot be used as it is set."""
    match settings.transport:
        case "smtp":
            async with open_smtp(settings.smtp) as smtp:
                yield smtp
        case "http":
            adapter = AsksAdapter(endpoint_of(settings.http))
            try:
                yield HttpTransport(settings.http, adapter, outside, clock.now)
            finally:
                with trio.move_on_after(CLOSE_WITHIN, shield=True):
                    await adapter.aclose()
        case _:
            yield Maildir(settings.maildir, outside)


def fetcher(section: doors.BouncesSection, outside: Outside) -> doors.Fetch:
    """What gets an address at the AWS of our topics, and at no other host: over verified TLS,
    without redirects. Raises Undelivered.
    """
    bases = doors.hosts(section.ses) if section.ses is not None else []

    async def fetch(url: str) -> bytes:
        try:
            # Asked for once in months: no connection is kept.
            with outside.wait():
                async with aclosing(AsksAdapter(*bases)) as adapter:
                    answer = await adapter.get(url, trio.current_time() + PATIENCE)
        except (NotSent, InDoubt) as error:
            raise Undelivered(str(error), retry=True) from None
        if answer.status != 200:
            raise Undelivered(f"{answer.status} from AWS", retry=True)
        return answer.body

    return fetch
