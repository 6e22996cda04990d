"""The store of a service that is at rest, for whoever looks into it or brings something in.

A service and its web pages are left alone here: who only asks need not wait for them.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from actors import templates
from actors.catalogue import Catalogue
from actors.compose import Composer
from actors.insight import Insight
from actors.ledger import Ledger
from actors.outside import open_outside
from actors.settings import Settings
from actors.store.sqlite import SqliteStore, open_store
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
        read = templates.Templates(templates.ROOT, configured.shop)
        # Subjects have no links: none of these is signed by the service's own key.
        composer = Composer(read, configured.shop, configured.mail, LinkKeys(LinkKey(1, bytes(32))))
        yield Insight(rules, catalogue, ledger, store, composer, lambda: now)


def there_is(database: Path) -> None:
    """Who only reads must not make a database where a name was mistyped."""
    if not database.exists():
        raise Misconfigured(f"there is no database {database}: name another --data or --config")


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
