"""A world for stories: the real gateway, turn loop, SQLite and delivery on a virtual clock.

Nothing in it is faked but time and the network: shops talk websocket over memory streams, mails are
read back from the Maildir with the standard library's parser. Instants are exact.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import trio
import trio_websocket
from trio.testing import MockClock, memory_stream_pair

from actors import service, settings
from actors.client import Client, greet
from actors.clock import TrioClock
from actors.gateway import CONSOLE_PATH, EVENTS_PATH
from actors.outside import open_holding
from actors.service import Service
from actors.settings import Settings
from actors.store.sqlite import open_store
from ecrm import calendar, moment
from ecrm.moment import Instant

PARIS = ZoneInfo("Europe/Paris")
SECRET, PUBLISHABLE, OPERATOR = "sk_test", "pk_test", "ok_test"
LINK_KEY = b"k" * 32


class Mail(NamedTuple):
    """A mail as a story tells it: its kind, step, recipient and the local time of its decision."""

    kind: str
    step: str
    to: str
    at: str


def settings_in(folder: Path, **changes: Any) -> Settings:
    """The default settings, with keys of each kind and everything under `folder`."""
    keys = tuple(
        settings.Key(kind, kind, settings.hashed(kind, key))
        for kind, key in (("secret", SECRET), ("publishable", PUBLISHABLE), ("operator", OPERATOR))
    )
    loaded = settings.load(Path("no-such.toml"), folder, {})
    return msgspec.structs.replace(loaded, keys=keys, **changes)


class World:
    def __init__(self, running: Service, clock: TrioClock, nursery: trio.Nursery) -> None:
        self.service = running
        self.clock = clock
        self._nursery = nursery
        self._numbers = count(1)

    async def shop(self, key: str = SECRET) -> Shop:
        """A shop's back end, connected."""
        websocket = await self.dial(EVENTS_PATH)
        return Shop(self, await greet(websocket, key))

    async def dial(self, path: str) -> trio_websocket.WebSocketConnection:
        """A websocket to the gateway over memory."""
        ours, theirs = memory_stream_pair()
        self._nursery.start_soon(self.service.gateway.serve_stream, theirs)
        return await trio_websocket.wrap_client_stream(self._nursery, ours, "shop.test", path)

    async def console(self, key: str = OPERATOR) -> trio_websocket.WebSocketConnection:
        websocket = await self.dial(CONSOLE_PATH)
        await websocket.send_message(f'{{"type": "hello", "key": "{key}"}}')
        await websocket.get_message()
        return websocket

    async def ask(self, op: str, **request: object) -> dict[str, Any]:
        """What the console answers, from one frame to one frame."""
        frame = msgspec.json.encode({"id": 1, "op": op, **request})
        return await self.service.console.answer(frame)

    async def until(self, local: str) -> None:
        """Let time pass until this local time in Paris, and everything due by then be done."""
        at = instant(local)
        await trio.sleep((at - self.clock.now()) / 1_000)
        await self.clock.settled()

    async def passes(self, span: int) -> None:
        await trio.sleep(span / 1_000)
        await self.clock.settled()

    def letters(self) -> list[EmailMessage]:
        """All mails in the Maildir, parsed, in the order of their decisions."""
        folder = self.service.settings.maildir / "new"
        parsed = [
            email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            for file in sorted(folder.iterdir())
        ]
        return sorted(
            parsed, key=lambda letter: (str(letter["X-Ecrm-At"]), str(letter["X-Ecrm-Kind"]))
        )

    def mails(self, customer: str | None = None) -> list[Mail]:
        """What was sent, of one customer or of all."""
        return [
            Mail(
                letter["X-Ecrm-Kind"],
                letter["X-Ecrm-Programme"],
                letter["To"].addresses[0].addr_spec,
                local(moment.parse_instant(letter["X-Ecrm-At"])),
            )
            for letter in self.letters()
            if customer in (None, letter["X-Ecrm-Customer"])
        ]

    def kinds(self, customer: str | None = None) -> list[tuple[str, str]]:
        return [(mail.kind, mail.at) for mail in self.mails(customer)]

    def next_id(self) -> str:
        return f"m{next(self._numbers)}"


class Shop:
    """A back end that tells what happens, and is back when it is durable."""

    def __init__(self, world: World, client: Client) -> None:
        self.client = client
        self._world = world

    async def track(self, user: str, event: str, **properties: object) -> None:
        await self._say("track", user, event=event, properties=properties)

    async def identify(self, user: str, **traits: object) -> None:
        await self._say("identify", user, traits=traits)

    async def registers(self, user: str, *, consent: bool = True, **traits: object) -> None:
        """An account with an address and, as most give it, consent to marketing."""
        await self.identify(user, **{"email": f"{user}@customers.example", **traits})
        await self.track(user, "Signed Up")
        if consent:
            await self.consents(user)

    async def consents(self, user: str, state: str = "granted") -> None:
        await self.track(user, "Consent Updated", purpose="email_marketing", state=state)

    async def pays(self, user: str, order_id: str, *products: str) -> None:
        lines = [{"product_id": product, "price": 10, "name": product} for product in products]
        order = {
            "order_id": order_id,
            "total": 10 * len(lines),
            "currency": "EUR",
            "products": lines,
        }
        await self.track(user, "Order Completed", **order)
        await self.track(user, "Order Paid", **order)

    async def _say(self, kind: str, user: str, **body: object) -> None:
        who = {"anonymousId": user[1:]} if user.startswith("?") else {"userId": user}
        message = {"type": kind, "messageId": self._world.next_id(), **who, **body}
        refused = await self.client.send([message])
        assert refused == []


def instant(text: str) -> Instant:
    """An instant from a local time in Paris, `"2026-03-02 10:00"`."""
    day, _, time = text.partition(" ")
    return calendar.resolve(date.fromisoformat(day), calendar.parse_local_time(time), PARIS)


def local(at: Instant) -> str:
    return calendar.local(at, PARIS).strftime("%Y-%m-%d %H:%M")


@asynccontextmanager
async def open_world(
    folder: Path, mock: MockClock, start: str = "2026-03-02 10:00", **changes: Any
) -> AsyncIterator[World]:
    clock = TrioClock(Instant(instant(start) - round(trio.current_time() * 1_000)))
    async with (
        trio.open_nursery() as nursery,
        open_holding(mock) as outside,
    ):
        configured = settings_in(folder, **changes)
        async with (
            open_store(configured.database, outside, clock.now) as store,
            service.running(configured, store, clock, outside, LINK_KEY) as running,
        ):
            yield World(running, clock, nursery)
        nursery.cancel_scope.cancel()
