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
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
import trio
import trio_websocket
from trio.testing import MockClock, memory_stream_pair

from actors import service, settings, templates
from actors.client import Client, greet
from actors.clock import TrioClock
from actors.gateway import CONSOLE_PATH, EVENTS_PATH
from actors.outside import open_holding
from actors.service import Service
from actors.settings import Settings
from actors.store.sqlite import open_store
from ecrm import calendar, facts, messages, moment
from ecrm.delivery.limiter import Limit
from ecrm.moment import CustomerId, Instant

PARIS = ZoneInfo("Europe/Paris")
SECRET, PUBLISHABLE, OPERATOR = "sk_test", "pk_test", "ok_test"
LINK_KEY = b"k" * 32
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Mail(NamedTuple):
    """A mail as a story tells it: its kind, step, recipient and the local time of its decision."""

    kind: str
    step: str
    to: str
    at: str


class _Letter(NamedTuple):
    """A mail of the Maildir, and what it is found by: to read a header is to parse it."""

    order: tuple[str, str, str]
    kind: str
    customer: str
    whole: EmailMessage

    @classmethod
    def of(cls, whole: EmailMessage) -> _Letter:
        at, kind, mail_id, customer = (
            str(whole[name])
            for name in ("X-Ecrm-At", "X-Ecrm-Kind", "Message-ID", "X-Ecrm-Customer")
        )
        return cls((at, kind, mail_id), kind, customer, whole)


class Unsent(NamedTuple):
    """A mail that was not sent: its kind, step and the one recorded reason."""

    kind: str
    step: str
    reason: str


# Compiling the templates takes longer than most stories: once for all worlds of a shop.
read_templates = lru_cache(maxsize=8)(templates.Templates)


def settings_in(folder: Path, *, rate: Limit | None = None, **changes: Any) -> Settings:
    """The default settings, with keys of each kind and everything under `folder`; mails leave at
    `rate`.
    """
    keys = tuple(
        settings.Key(kind, kind, settings.hashed(kind, key))
        for kind, key in (("secret", SECRET), ("publishable", PUBLISHABLE), ("operator", OPERATOR))
    )
    loaded = settings.load(Path("no-such.toml"), folder, {})
    # Over a silent year of the virtual clock nobody wants a ping every thirty seconds.
    gateway = msgspec.structs.replace(loaded.gateway, ping_after="")
    changes = {"gateway": gateway, **changes}
    if rate is not None:
        changes["delivery"] = msgspec.structs.replace(loaded.delivery, limit=rate)
    return msgspec.structs.replace(loaded, keys=keys, **changes)


class World:
    def __init__(self, running: Service, clock: TrioClock, nursery: trio.Nursery) -> None:
        self.service = running
        self.clock = clock
        self._nursery = nursery
        self._numbers = count(1)
        self._letters: dict[str, _Letter] = {}

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

    async def page(
        self, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, str]:
        """The status and the text of a page of the service; with a form, it is posted. The browser
        is a person's unless `user_agent` says another.
        """
        sent = {"user_agent": BROWSER, **headers}
        named = {name.replace("_", "-"): value for name, value in sent.items() if value}
        client = self.service.web.app.test_client()
        path = urlsplit(path)._replace(scheme="", netloc="").geturl()
        method = "GET" if form is None else "POST"
        answer = await client.open(path, method=method, headers=named, form=form)
        body = await answer.get_data(as_text=False)
        return answer.status_code, body.decode("utf-8", "replace")

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
        return [letter.whole for letter in self._read()]

    def _read(self) -> list[_Letter]:
        """A Maildir's file never changes: each is parsed when it is first seen."""
        files = {file.name: file for file in (self.service.settings.maildir / "new").iterdir()}
        self._letters = {
            name: self._letters.get(name) or _Letter.of(parse(file.read_bytes()))
            for name, file in sorted(files.items())
        }
        return sorted(self._letters.values(), key=lambda letter: letter.order)

    def mails(self, customer: str | None = None) -> list[Mail]:
        """What was sent, of one customer or of all."""
        return [
            Mail(
                letter.kind,
                letter.whole["X-Ecrm-Programme"],
                letter.whole["To"].addresses[0].addr_spec,
                local(moment.parse_instant(letter.whole["X-Ecrm-At"])),
            )
            for letter in self._read()
            if customer in (None, letter.customer)
        ]

    def kinds(self, customer: str | None = None, *of: str) -> list[tuple[str, str]]:
        """When mails were decided on, by kind: all of them, or those of these kinds."""
        sent = [(mail.kind, mail.at) for mail in self.mails(customer)]
        return [one for one in sent if not of or one[0] in of]

    def letter(self, kind: str) -> EmailMessage:
        """The one mail of that kind."""
        (found,) = [letter.whole for letter in self._read() if letter.kind == kind]
        return found

    async def sees(
        self, customer: str, kind: str, deed: str = "opened", *, human: bool = True
    ) -> None:
        """A recipient opens the last mail of that kind, or clicks in it."""
        of = [x for x in self._read() if (x.kind, x.customer) == (kind, customer)]
        mail_id = str(of[-1].whole["Message-ID"]).strip("<>").partition("@")[0]
        seen = messages.Seen(mail_id.rpartition(".")[0] or mail_id, deed, human)
        await self.service.system.intake.relay([(CustomerId(customer), seen)])
        await self.clock.settled()

    async def past(self, customer: str) -> list[facts.AnyFact]:
        """All facts of a customer, from the journal."""
        rows = await self.service.store.journal(CustomerId(customer), before=None, limit=100_000)
        return [fact for row in rows for fact in facts.decode(row.facts)]

    async def unsent(self, customer: str, *of: str) -> list[Unsent]:
        """What of a customer's mails (of these kinds) was not sent, in order, and why (law 9)."""
        return [one for one in await self._unsent(customer) if not of or one.kind in of]

    async def _unsent(self, customer: str) -> list[Unsent]:
        found = []
        for fact in await self.past(customer):
            match fact:
                case facts.MailWithheld(key=key, step=step, kind=kind, reason=reason):
                    found.append(Unsent(kind, f"{key.partition('/')[0]}/{step}", reason))
                case facts.Left(key=key, step=step, kind=kind, reason=reason) if kind:
                    found.append(Unsent(kind, f"{key.partition('/')[0]}/{step}", reason))
                case facts.Heard(kind=kind, key=key, outcome=outcome) if outcome != "accepted":
                    found.append(Unsent(kind, key.partition("/")[0], outcome))
                case _:
                    pass
        return found

    async def queue(self) -> list[tuple[str, str, str]]:
        """The rows of the outbox, in order of arrival: customer, kind, state."""
        rows = await self.service.store.queue_rows(None, None, 500)
        return [(row.customer_id, row.kind, row.state) for row in reversed(rows)]

    def next_id(self) -> str:
        return f"m{next(self._numbers)}"


class Shop:
    """A back end that tells what happens, and is back when it is durable.

    A customer is named by its id; `?v1` is the visitor `v1`.
    """

    def __init__(self, world: World, client: Client) -> None:
        self.client = client
        self._world = world

    async def track(
        self, user: str, event: str, *, at: str | None = None, **properties: object
    ) -> None:
        """Tell an event; `at` is the local time it happened, where that was not just now."""
        when = {} if at is None else {"timestamp": moment.format_instant(instant(at))}
        await self.say("track", user, event=event, properties=properties, **when)

    async def identify(self, user: str, *, visitor: str = "", **traits: object) -> None:
        """Say who somebody is; `visitor` is the anonymous id they had until now."""
        was = {"anonymousId": visitor} if visitor else {}
        await self.say("identify", user, traits=traits, **was)

    async def knows(self, user: str, *, consent: bool = True, **traits: object) -> None:
        """A person with an address and no account, so that no welcome gets in the way."""
        await self.identify(user, **{"email": f"{user}@customers.example", **traits})
        if consent:
            await self.consents(user)

    async def registers(self, user: str, *, consent: bool = True, **traits: object) -> None:
        """An account with an address and, as most give it, consent to marketing."""
        await self.identify(user, **{"email": f"{user}@customers.example", **traits})
        await self.track(user, "Signed Up")
        if consent:
            await self.consents(user)

    async def consents(self, user: str, state: str = "granted") -> None:
        await self.track(user, "Consent Updated", purpose="email_marketing", state=state)

    async def adds(
        self, user: str, *products: str, at: str | None = None, **properties: object
    ) -> None:
        """Products go into the cart."""
        for product in products:
            line = {"product_id": product, "name": product, "price": 10, "cart_id": f"cart-{user}"}
            await self.track(user, "Product Added", at=at, **{**line, **properties})

    async def pays(
        self, user: str, order_id: str, *products: str, at: str | None = None, **properties: object
    ) -> None:
        """An order is submitted and paid."""
        lines = [{"product_id": product, "price": 10, "name": product} for product in products]
        order = {
            "order_id": order_id,
            "total": 10 * len(lines),
            "currency": "EUR",
            "products": lines,
            **properties,
        }
        await self.track(user, "Order Completed", at=at, **order)
        await self.track(user, "Order Paid", at=at, **order)

    async def sells(self, product: str, **properties: object) -> None:
        """A product of the catalogue."""
        known = {"product_id": product, "name": product, "price": 10, "currency": "EUR"}
        await self.say(
            "track", "?catalogue", event="Product Upserted", properties=known | properties
        )

    async def ships(self, user: str, order_id: str, parcel: str = "p1") -> None:
        """A parcel is handed to the carrier."""
        await self.track(
            user,
            "Order Fulfilled",
            order_id=order_id,
            fulfillment_id=parcel,
            carrier="Colissimo",
            tracking_number=f"6A-{parcel}",
            tracking_url=f"https://carrier.example/6A-{parcel}",
        )

    async def say(self, kind: str, user: str, **body: object) -> None:
        who = {"anonymousId": user[1:]} if user.startswith("?") else {"userId": user}
        message = {"type": kind, "messageId": self._world.next_id(), **who, **body}
        refused = await self.client.send([message])
        assert refused == []


def parse(message: bytes) -> EmailMessage:
    """A mail as the standard library reads it. A defect it finds is a failure."""
    return email.message_from_bytes(message, policy=email.policy.strict)


def text_of(letter: EmailMessage) -> str:
    """The text part, with plain line ends and with the spaces that do not break made plain."""
    part = letter.get_body(("plain",))
    return str(part.get_content()).translate({0xA0: " ", 0x202F: " ", 0x0D: None})


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
            service.running(
                configured,
                store,
                clock,
                outside,
                LINK_KEY,
                read_templates(templates.ROOT, configured.shop),
            ) as running,
        ):
            yield World(running, clock, nursery)
        nursery.cancel_scope.cancel()
