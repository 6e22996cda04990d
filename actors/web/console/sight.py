"""What all pages of the console are made with: templates, times, and the answers of the console.

A page asks what a terminal asks, with the session's key, so what it changes is noted with that key.
Everything is escaped by the templates; nothing here makes HTML. Pages are in English, and may load
nothing but the console's own files.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import jinja2
import msgspec
from quart import Response, g, request
from werkzeug.urls import iri_to_uri

from actors.asked import Refused
from actors.console import Console
from actors.web.console.sessions import Session
from actors.web.look import TYPES
from ecrm.shop import Shop

# An answer of the console, as JSON has it: a page picks what it shows by name.
Found = dict[str, Any]

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    # With `no-referrer` browsers hide the Origin of a form, and it is what a POST is known by.
    "Referrer-Policy": "same-origin",
}
MENU: Final = (
    ("Overview", "/console/"),
    ("Customers", "/console/customers"),
    ("Queue", "/console/queue"),
    ("Mailbox", "/console/mailbox"),
    ("Gallery", "/console/gallery"),
    ("Programmes", "/console/programmes"),
    ("Quarantine", "/console/quarantine"),
    ("Clock", "/console/clock"),
)


class Sight:
    def __init__(self, root: Path, console: Console, shop: Shop, absent: frozenset[str]) -> None:
        """`absent` are the entries of the menu that this service has no use for."""
        folder = root / "web" / "console"
        self.shop = shop
        self.zone = ZoneInfo(shop.timezone)
        self.menu = tuple(one for one in MENU if one[0] not in absent)
        self.files = {
            file.name: (file.read_bytes(), TYPES[file.suffix])
            for file in sorted(folder.iterdir())
            if file.suffix in TYPES
        }
        self._console = console
        self._pages = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder),
            autoescape=True,
            # A state leaves out what is as it always is: a page asks for those with `get`.
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.filters |= {"local": local, "utc": utc, "plain": plain}

    async def ask(self, op: str, **about: object) -> Found:
        """What the console answers to whoever is in. Raises Refused."""
        frame = msgspec.json.encode({"id": 0, "op": op, **about})
        answer: Found = await self._console.answer(frame, session().key_id)
        if not answer["ok"]:
            raise Refused(answer["error"]["code"], answer["error"]["reason"])
        found: Found = answer["result"]
        return found

    def page(self, name: str, status: int = 200, /, **values: object) -> Response:
        who: Session | None = g.get("session")
        said = ""
        if who is not None:
            said, who.said = who.said, ""
        text = self._pages.get_template(f"{name}.html").render(
            shop=self.shop,
            zone=values.pop("zone", self.zone),
            menu=self.menu,
            path=request.path,
            session=who,
            said=said,
            **values,
        )
        return Response(text, status, content_type="text/html; charset=utf-8")


def session() -> Session:
    """Who is in: the guard has seen to it that somebody is."""
    found: Session = g.session
    return found


def leads_to(path: str) -> Response:
    """Show another page of ours (RFC 9110 §15.4.4)."""
    return Response("", 303, headers={"Location": iri_to_uri(path)})


def zone_of(name: str, otherwise: ZoneInfo) -> ZoneInfo:
    """The zone of this name; the shop's where a customer's names none that there is."""
    try:
        return ZoneInfo(name) if name else otherwise
    except (ValueError, OSError):
        return otherwise


def local(at: str, zone: ZoneInfo) -> str:
    """An instant as the console writes it, in a zone's time: `Mon 2 Mar 2026 10:00:05`."""
    found = _read(at)
    if found is None:
        return at
    there = found.astimezone(zone)
    return f"{there:%a} {there.day} {there:%b %Y %H:%M:%S}"


def utc(at: str) -> str:
    found = _read(at)
    return at if found is None else f"{found.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def plain(value: object) -> str:
    """Anything as indented JSON: to be looked at."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def number_in(text: str) -> int | None:
    """A number that an address names; None for anything else, and for one that none can be."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None


def _read(at: str) -> datetime | None:
    try:
        return datetime.fromisoformat(at)
    except ValueError:
        return None
