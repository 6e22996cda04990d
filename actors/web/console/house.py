"""The console as one: its door, its rooms, and what they are made with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from quart import Blueprint

from actors.console import Console
from actors.door import Door
from actors.outside import Outside
from actors.settings import Settings
from actors.templates import Templates
from actors.web.console.deeds import Deeds
from actors.web.console.gallery import Gallery
from actors.web.console.mails import Mails
from actors.web.console.overview import Overview
from actors.web.console.people import People
from actors.web.console.porter import Porter
from actors.web.console.queue import Queue
from actors.web.console.rooms import Rooms
from actors.web.console.sight import Sight
from actors.web.console.travel import Travel
from ecrm.moment import Instant


class House:
    def __init__(
        self,
        root: Path,
        console: Console,
        settings: Settings,
        now: Callable[[], Instant],
        templates: Templates,
        outside: Outside,
        *,
        warp: bool,
    ) -> None:
        self._sight = Sight(root, console, settings.shop, frozenset(_absent(settings, warp=warp)))
        self._public_url = settings.mail.links_url
        self._now = now
        self._rooms = (
            Overview(self._sight),
            People(self._sight),
            Travel(self._sight),
            Mails(self._sight),
            Gallery(self._sight, templates, settings, outside),
            Queue(self._sight),
            Rooms(self._sight),
            Deeds(self._sight),
        )

    def blueprint(self, door: Door, address: Callable[[], str]) -> Blueprint:
        pages = Porter(self._sight, door, self._now, address, self._public_url).blueprint()
        for room in self._rooms:
            room.add_to(pages)
        return pages


def _absent(settings: Settings, *, warp: bool) -> Iterator[str]:
    """What this service has no use for."""
    if not warp:
        yield "Clock"
    if settings.transport != "maildir":
        yield "Mailbox"
