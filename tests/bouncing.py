"""What comes back, as a story brings it: by LMTP, through the spool, by a provider's webhook."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import trio
from trio.testing import memory_stream_pair

from actors import doors, lmtp, spool
from ecrm.delivery import returns
from tests.visits import KEYS, mail_id_of

MAILBOX = "b@bounces.shop.example"
FOLDER = Path(__file__).parent / "data" / "bounces"
QUOTED = b"01890a5d-ac96-774b-bcce-b302099a8057"
POSTMARK = doors.PostmarkSection(user="shop", password="door")


def return_path(letter, keys=KEYS) -> str:
    return returns.make(keys, MAILBOX, mail_id_of(letter))


def message(name, letter=None) -> bytes:
    """A message that came back once, as if it were about this letter."""
    raw = (FOLDER / f"{name}.eml").read_bytes()
    return raw if letter is None else raw.replace(QUOTED, mail_id_of(letter).encode())


async def by_lmtp(world, recipient, raw) -> list[str]:
    """What a mail server that delivers it is answered: to RCPT, and after the message."""
    ours, theirs = memory_stream_pair()
    back = world.service.returns
    talk = lmtp.Conversation(back.knows, name="ecrm")
    body = b"\r\n".join(raw.splitlines()).replace(b"\r\n.", b"\r\n..")
    said = f"LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lmtp._converse, theirs, talk, back.take)
        await ours.send_all(said + body + b"\r\n.\r\nQUIT\r\n")
        heard = b""
        while b"goodbye" not in heard:
            heard += await ours.receive_some()
        nursery.cancel_scope.cancel()
    await world.clock.settled()
    lines = heard.decode().splitlines()
    greeted = next(n for n, line in enumerate(lines) if line.startswith("250 SIZE"))
    return [line[:9].rstrip() for line in lines[greeted + 2 : -1] if not line.startswith("354")]


async def by_spool(world, recipient, raw) -> None:
    """As `run.py bounce` leaves it; the service finds it at its next look."""
    spool.put(world.service.settings.spool, recipient, raw)
    await world.passes(spool.EVERY)


def spooled(world, part="new") -> list[str]:
    folder = world.service.settings.spool / part
    return sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []


async def by_hook(world, provider, body, **headers) -> int:
    """The status that a provider's request is answered with."""
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    client = world.service.web.app.test_client()
    answer = await client.post(f"/hooks/{provider}", data=raw, headers=named)
    await answer.get_data()
    await world.clock.settled()
    return answer.status_code


def basic(user=POSTMARK.user, password=POSTMARK.password) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def postmark(letter, kind="HardBounce", number=1, **more) -> dict[str, object]:
    """What Postmark tells of a letter."""
    told = {
        "RecordType": "Bounce",
        "ID": number,
        "Type": kind,
        "Email": "ana@customers.example",
        "BouncedAt": "2026-03-02T09:00:00Z",
        "Metadata": {"mail_id": mail_id_of(letter)},
    }
    return told | more
