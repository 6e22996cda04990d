"""The service put together: what opens first closes last.

    outside ⊃ store ⊃ delivery, reports ⊃ system ⊃ alarms ⊃ gateway

Everything is made here and handed on; no part looks for another. The order of a graceful stop is
the tree read from the inside (style §4.4): no new sockets, no more ticks, goodbye to those who are
there, delivery finishes what it has in hand, the intake drains, snapshots, the store closes. Cut
off anywhere in it, nothing acknowledged is lost: a stop only spares the next start some work.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog
import trio

from actors import doors, keys, templates
from actors.alarms import Alarms
from actors.broadcast import Announcer, Broadcasts
from actors.catalogue import Catalogue
from actors.census import Census
from actors.clock import Clock, WarpClock
from actors.compose import Composer
from actors.console import Console
from actors.delivery import Delivery
from actors.door import Door
from actors.figures import Figures
from actors.gateway import Gateway
from actors.housekeeping import Housekeeping
from actors.insight import Insight
from actors.limits import Limits
from actors.locksmith import Locksmith
from actors.outside import Outside
from actors.playbook import Playbook
from actors.postroom import PostRoom
from actors.proxies import Proxies
from actors.pulse import Pulse
from actors.reports import Reports
from actors.returns import Returns
from actors.settings import Settings
from actors.spool import Spool
from actors.store import port
from actors.system import System
from actors.transports.maildir import Maildir
from actors.transports.opening import fetcher, open_transport
from actors.transports.port import Transport
from actors.web.console.house import House
from actors.web.desk import Desk
from actors.web.hooks import Hooks
from actors.web.look import Look
from actors.web.site import Site
from ecrm.links import LinkKey, LinkKeys
from ecrm.moment import Instant
from ecrm.rules import Rules

log = structlog.get_logger()

# How long a stop may take before what is still running is cut off; nothing is lost by it.
GRACE: Final = 20.0


class Service:
    """The parts of a running service, for whoever serves sockets to it or looks inside."""

    def __init__(
        self,
        settings: Settings,
        store: port.Store,
        clock: Clock,
        link_keys: LinkKeys,
        read: templates.Templates,
        transport: Transport,
        outside: Outside,
    ) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.outside = outside
        self.pulse = Pulse()
        self.at_work: set[str] = set()
        self.figures = Figures(self)
        self.keyring = keys.Keyring(settings.keys, clock.now)
        self.catalogue = Catalogue(settings.shop.currency)
        rules = Rules(settings.shop, settings.limits, settings.programmes, settings.thresholds)
        announcer = Announcer(self.catalogue, read.names)
        self.system = System(store, clock, rules, self.catalogue, announcer)
        room = self.system.intake.wait_of_pages
        self.door = Door(self.keyring, Limits(settings.gateway.limits, _awake, room))
        self.reports = Reports(store, clock, self.system.intake)
        self.alarms = Alarms(store, clock, self.system.intake)
        self.locksmith = Locksmith(store, clock, self.keyring, settings.keys)
        self.housekeeping = Housekeeping(store, clock, settings.kept, self.locksmith.save_uses)
        self.broadcasts = Broadcasts(store, clock, self.system.intake)
        self.census = Census(store, clock, rules.zone, self.catalogue, self.system.ledger)
        composer = Composer(
            read,
            settings.shop,
            settings.mail,
            link_keys,
            settings.signers,
            settings.bounces,
        )
        self.delivery = Delivery(
            store,
            clock,
            composer,
            transport,
            epoch=secrets.token_hex(8),
            policy=settings.delivery,
            reports=self.reports.bell,
        )
        desk = Desk(self.system, clock, composer, link_keys, settings.shop)
        self.returns = Returns(
            self.system, desk, link_keys, settings.bounces, settings.mail.unsubscribe
        )
        watched = bool(settings.bounces or settings.mail.unsubscribe)
        self.spool = Spool(settings.spool, outside, clock, self.returns.take_mail, watched=watched)
        self.console = Console(
            self.system,
            store,
            clock,
            PostRoom(
                self.system,
                store,
                clock,
                self.delivery,
                composer,
                transport.kept if isinstance(transport, Maildir) else None,
            ),
            self.census,
            self.returns,
            self.figures,
        )
        self.console.ops |= self.locksmith.ops
        self.console.ops |= Insight(
            rules, self.catalogue, self.system.ledger, store, composer, clock.now
        ).ops
        self.console.ops |= Playbook(rules, store, settings.written).ops
        proxies = Proxies(settings.web.trusted_proxies)
        self.gateway = Gateway(
            self.system, clock, self.door, self.console.converse, settings.gateway, proxies
        )
        fetch = fetcher(settings.doors, outside)
        self.web = Site(
            desk,
            Look(templates.ROOT, settings.shop),
            self.system,
            proxies,
            self.door,
            Hooks(self.returns, doors.provers(settings.doors, fetch), fetch, clock),
            self.figures,
            settings.web.metrics_from,
            console=House(
                templates.ROOT,
                self.console,
                settings,
                _awake,
                read,
                outside,
                warp=isinstance(clock, WarpClock),
            ),
        )
        self.system.alarms = self.alarms.bell
        self.system.delivery = self.delivery.bell
        self.system.reports = self.reports.bell
        self.system.broadcasts = self.broadcasts.bell

    async def stop(self, done: dict[str, trio.Event]) -> None:
        """End from the inside out; `done` tells when each part has."""
        self.gateway.stop()
        for part, bell in (
            ("alarms", self.alarms.bell),
            ("broadcasts", self.broadcasts.bell),
            ("census", self.census.bell),
            ("web", self.web.judge.bell),
            ("spool", self.spool.bell),
            ("housekeeping", self.housekeeping.bell),
            ("delivery", self.delivery.bell),
            ("reports", self.reports.bell),
            ("system", self.system.bell),
        ):
            bell.stop()
            await done[part].wait()


@asynccontextmanager
async def running(
    settings: Settings,
    store: port.Store,
    clock: Clock,
    outside: Outside,
    link_key: bytes | None = None,
    read: templates.Templates | None = None,
) -> AsyncIterator[Service]:
    """Run the service on an open store; leaving stops it gracefully.

    `link_key` signs the links in the mails; without one the store's own is used. `read` are the
    templates of the same shop, for whoever has read them already.
    """
    signing = await _link_keys(store, settings, link_key)
    if read is None:
        read = templates.Templates(templates.ROOT, settings.shop)
    async with open_transport(settings, outside, clock) as transport:
        service = Service(settings, store, clock, signing, read, transport, outside)
        await service.catalogue.load(store)
        await service.system.ledger.load(store, clock.now())
        service.keyring.add(await keys.stored(store))
        async with _run_all(service):
            yield service


@asynccontextmanager
async def _run_all(service: Service) -> AsyncIterator[None]:
    """Every part in its task; leaving stops them from the inside out."""
    parts = {
        "system": service.system.run,
        "reports": service.reports.run,
        "delivery": service.delivery.run,
        "housekeeping": service.housekeeping.run,
        "alarms": service.alarms.run,
        "broadcasts": service.broadcasts.run,
        "census": service.census.run,
        "web": service.web.judge.run,
        "spool": service.spool.run,
    }
    done = {name: trio.Event() for name in parts}
    async with trio.open_nursery() as nursery:
        for name, run in parts.items():
            nursery.start_soon(_run, service.at_work, name, run, done[name])
        nursery.start_soon(service.gateway.keep)
        try:
            yield
        finally:
            with trio.move_on_after(GRACE, shield=True) as grace:
                await service.stop(done)
            if grace.cancelled_caught:
                log.warning("stop_cut_short", after_seconds=GRACE)
            nursery.cancel_scope.cancel()


async def _link_keys(store: port.Store, settings: Settings, given: bytes | None) -> LinkKeys:
    """The key of this number signs, the one before it is still read."""
    number = settings.web.link_key
    if given is not None:
        return LinkKeys(LinkKey(number, given))
    current = LinkKey(number, await store.secret(_secret_name(number)))
    if number == 1:
        return LinkKeys(current)
    return LinkKeys(current, LinkKey(number - 1, await store.secret(_secret_name(number - 1))))


def _secret_name(number: int) -> str:
    return "links" if number == 1 else f"links/{number}"


def _awake() -> Instant:
    """Milliseconds of trio's clock: rates and limits are kept in it, which nobody sets back."""
    return Instant(round(trio.current_time() * 1_000))


async def _run(
    at_work: set[str], name: str, part: Callable[[], Awaitable[None]], done: trio.Event
) -> None:
    at_work.add(name)
    try:
        await part()
    finally:
        at_work.discard(name)
        done.set()
