"""Mails through the real queue, composer, signer and transport, and what became of each.

Only the time is not real: the clock stands still while mails are handed over and is then pushed to
the next instant that is awaited, so days of retries pass in seconds. What the books say is compared
with what the receiver counted, by Message-ID.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
import trio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from actors import samples, signing, templates
from actors.batch import outbox_row
from actors.clock import WarpClock
from actors.compose import Composer
from actors.delivery import Delivery
from actors.outside import open_outside
from actors.store.port import TERMINAL, Commit
from actors.store.sqlite import open_store
from ecrm.delivery.limiter import limit
from ecrm.delivery.policy import Policy
from ecrm.links import LinkKey, LinkKeys
from ecrm.moment import DAY, Instant
from tests.actors.house import START, Nudges
from tests.worlds import read_templates

# How many mails each peer gets; the full size is five thousand.
MAILS = int(os.environ.get("ECRM_MAILS", "300"))
KINDS = ("confirmation/confirmed", "cart/offer", "newsletter/news", "verification/code")
KEYS = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}
SETTLED = frozenset(("accepted", "accepted_unknown", "dead"))

_NAME = re.compile(rb"^Message-ID: <([^.>]+)\.\d@", re.MULTILINE | re.IGNORECASE)


def name_of(body):
    """The id of the mail that a received one is."""
    return _NAME.search(body)[1].decode()


def names_in(text):
    """The ids of all mails in a file of many."""
    return Counter(name.decode() for name in _NAME.findall(text))


@cache
def signers():
    with TemporaryDirectory() as folder:
        made = []
        for selector, key in KEYS.items():
            file = Path(folder) / selector
            file.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
            made.append(signing.read("boutique.example", selector, file))
        return tuple(made)


def composer(*of, shop=samples.SHOP, **changes):
    """The shop's own, which signs with `of`; with changed settings of its mails."""
    read = read_templates(templates.ROOT, shop)
    keys = LinkKeys(LinkKey(1, b"k" * 32))
    sent = msgspec.structs.replace(samples.SETTINGS, **changes)
    return Composer(read, shop, sent, keys, of, "b@bounces.boutique.example")


def letters(count, *, kinds=KINDS, to="ana-{}@customers.example", at=START):
    """So many mails, of all lanes in turn, each to an address of its own."""
    templates = [samples.sample(kind) for kind in kinds]
    return [
        msgspec.structs.replace(
            templates[n % len(templates)],
            mail_id=f"{n:08x}-ac96-774b-bcce-b302099a8057",
            to=to.format(n),
            at=at,
            not_after=Instant(at + 3 * DAY),
        )
        for n in range(count)
    ]


class Witness:
    """A transport whose answers are remembered."""

    def __init__(self, transport):
        self.name, self.lines, self.lot = transport.name, transport.lines, transport.lot
        self.repeatable, self.took = transport.repeatable, transport.took
        self.doubted = Counter()
        self.stages = Counter()
        self._transport = transport

    async def send(self, letters):
        handed = await self._transport.send(letters)
        self.doubted.update(one.mail_id for one in handed if one.verdict == "in_doubt")
        self.stages.update((one.stage, one.code, one.verdict) for one in handed)
        return handed


class Books(NamedTuple):
    """What the queue says in the end: the state of each mail, and which were in doubt how often."""

    states: dict
    doubted: Counter
    stages: Counter
    seconds: float

    def compare(self, received):
        """Lost none, and repeated none whose fate was known; what there is to tell of it."""
        known = {name: state for name, state in self.states.items() if name not in self.doubted}
        assert set(self.states.values()) <= SETTLED, Counter(self.states.values())
        assert received.keys() <= self.states.keys()
        # Accepted is received, once; dead is not received.
        assert {name: received[name] for name in known} == {
            name: int(state == "accepted") for name, state in known.items()
        }
        for name, times in self.doubted.items():
            state = self.states[name]
            # Once for each time that nobody knew, and once for the time that somebody did.
            assert received[name] <= times + (state == "accepted"), (name, state, times)
            assert received[name] or state != "accepted", f"{name} is lost"
            assert state != "accepted_unknown" or times == 1, "marketing is not repeated"
        return {
            **Counter(self.states.values()),
            "in doubt": len(self.doubted),
            "received twice": sum(count > 1 for count in received.values()),
            "seconds": round(self.seconds, 1),
            "mails/s": round(len(self.states) / self.seconds),
        }


@asynccontextmanager
async def open_queue(folder, mails):
    """A real store with these mails in its outbox, on a clock that stands still."""
    clock = WarpClock(START, rate=0)
    async with (
        open_outside() as outside,
        open_store(folder / "ecrm.db", outside, clock.now) as store,
    ):
        for at in range(0, len(mails), 500):
            rows = [outbox_row(one, None) for one in mails[at : at + 500]]
            await store.commit(Commit(outbox=rows))
        yield clock, store


def delivery_of(store, clock, transport, press, *, epoch="now"):
    return Delivery(
        store, clock, press, transport,
        epoch=epoch, policy=Policy(limit(100_000)), reports=Nudges(),
    )  # fmt: skip


async def dispatch(folder, mails, transport, press, day=None):
    """Deliver them, for as long as it takes: what is in the books then. `day` is given the clock
    first, to let time pass as it likes.
    """
    witness = Witness(transport)
    async with open_queue(folder, mails) as (clock, store), trio.open_nursery() as nursery:
        delivery = delivery_of(store, clock, witness, press)
        began = time.monotonic()
        nursery.start_soon(delivery.run)
        if day is not None:
            await day(clock)
        await clock.advance(Instant(clock.now() + 4 * DAY))
        seconds = time.monotonic() - began
        rows = await store.queue_rows(None, None, len(mails) + 1)
        assert all(row.state in TERMINAL for row in rows)
        nursery.cancel_scope.cancel()
    return Books({row.mail_id: row.state for row in rows}, witness.doubted, witness.stages, seconds)
