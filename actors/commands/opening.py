"""What several commands open: a service, the store of one that is at rest, a bar of progress."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import trio
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from actors import service
from actors.catalogue import Catalogue
from actors.clock import Clock, WarpClock
from actors.compose import Composer
from actors.insight import Insight
from actors.ledger import Ledger
from actors.outside import open_outside
from actors.service import Service
from actors.settings import Settings
from actors.store.sqlite import SqliteStore, open_store
from actors.templates import Templates
from ecrm.errors import Misconfigured
from ecrm.links import LinkKey, LinkKeys
from ecrm.moment import Instant, instant_of
from ecrm.rules import Rules


def wall_now() -> Instant:
    return Instant(time.time_ns() // 1_000_000)


def instant_in(said: str, option: str, zone: ZoneInfo) -> Instant:
    """A date, or a date and a time, as an option tells it; without an offset it is of this zone.

    Raises Misconfigured.
    """
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise Misconfigured(
            f"{option} {said!r} is no date: write 2026-12-31, or 2026-12-31T18:00"
        ) from None
    return instant_of(at if at.tzinfo else at.replace(tzinfo=zone))


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


@asynccontextmanager
async def at_rest(configured: Settings) -> AsyncIterator[SqliteStore]:
    """The store of a service that is not running."""
    configured.database.parent.mkdir(parents=True, exist_ok=True)
    async with (
        open_outside() as outside,
        open_store(configured.database, outside, wall_now) as store,
    ):
        yield store


@asynccontextmanager
async def insight_at_rest(configured: Settings) -> AsyncIterator[Insight]:
    """What explains and foresees, on the store of a service that is not running."""
    async with at_rest(configured) as store:
        # A clock that was pushed forward has seen more than the wall's.
        now = max(wall_now(), await store.last_at() or wall_now())
        rules = Rules(
            configured.shop, configured.limits, configured.programmes, configured.thresholds
        )
        catalogue = Catalogue(configured.shop.currency)
        await catalogue.load(store)
        ledger = Ledger(configured.shop, rules.zone, catalogue)
        await ledger.load(store, now)
        read = Templates(service.TEMPLATES, configured.shop)
        # Subjects have no links: none of these is signed by the service's own key.
        composer = Composer(read, configured.shop, configured.mail, LinkKeys(LinkKey(1, bytes(32))))
        yield Insight(rules, catalogue, ledger, store, composer, lambda: now)


def there_is(database: Path) -> None:
    """Who only reads must not make a database where a name was mistyped."""
    if not database.exists():
        raise Misconfigured(f"there is no database {database}: name another --data or --config")


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


@contextmanager
def bar(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal's stderr; nothing into a pipe."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=total)

        def told(done: int) -> None:
            bar.update(task, completed=done)

        yield told
