"""Opening the one transport that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from actors.clock import Clock
from actors.outside import Outside
from actors.settings import Settings
from actors.transports.asks_adapter import AsksAdapter
from actors.transports.http import HttpTransport, endpoint_of
from actors.transports.maildir import Maildir
from actors.transports.port import Transport
from actors.transports.smtp import open_smtp


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
            yield HttpTransport(settings.http, adapter, outside, clock.now)
        case _:
            yield Maildir(settings.maildir, outside)
