"""What `serve` and `replay` open: a service, and the sockets it is served through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors import service
from actors.clock import Clock, WarpClock
from actors.outside import open_outside
from actors.service import Service
from actors.settings import Settings
from actors.store.sqlite import open_store
from ecrm.errors import Misconfigured


@asynccontextmanager
async def open_service(
    configured: Settings, clock: Clock, link_key: bytes | None = None
) -> AsyncIterator[Service]:
    folder = configured.database.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"cannot make the folder {folder}: {error.strerror}; name another with --data"
        ) from None
    async with (
        open_outside() as outside,
        open_store(configured.database, outside, clock.now) as store,
    ):
        if isinstance(clock, WarpClock):
            # Pushed forward before, it must not stand behind what has happened since.
            clock.resume(await store.last_at() or clock.now())
        async with service.running(configured, store, clock, outside, link_key) as running:
            yield running


async def listen(
    running: Service,
    connections: trio.Nursery,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    at = running.settings.gateway
    try:
        listeners = await trio.open_tcp_listeners(at.port, host=at.host)
    except OSError as error:
        raise Misconfigured(
            f"cannot listen on {at.host}:{at.port}: {error.strerror or error}; "
            "set another gateway.port, or stop what is there"
        ) from None
    task_status.started(listeners[0].socket.getsockname()[1])
    # A connection outlives its listener: it is told goodbye before it is cut.
    await running.gateway.listen(listeners, connections)
