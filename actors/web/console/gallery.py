"""The gallery: every mail that the programmes can send, on sample data, in each language.

What is shown is rendered from the shop's own templates and settings, off the event loop, one at a
time: a template takes a fraction of a second to compile. Each is rendered once: templates are read
at the start, so the process is their version. Links of these samples open nothing: they are signed
with a key of this page's own.
"""

from __future__ import annotations

import zlib
from typing import Final

import msgspec
import trio
from quart import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from actors import proof, samples
from actors.compose import Composer
from actors.outside import Outside
from actors.preview import LOCALES
from actors.settings import Settings
from actors.templates import Templates
from actors.web.console.letters import FRAME_HEADERS, inert, read
from actors.web.console.sight import Sight
from ecrm.errors import EcrmError
from ecrm.links import LinkKey, LinkKeys

_KEYS: Final = LinkKeys(LinkKey(0, b"a gallery's key, not a secret"))
# What each amount of sample data is called.
AMOUNTS: Final = {"full": "everything known", "bare": "almost nothing", "long": "far too much"}


class Picture(msgspec.Struct, frozen=True, gc=False):
    """A rendered sample; `html` is packed, for most are looked at once. `wrong` is why there is
    none, where its template fails.
    """

    subject: str = ""
    preheader: str = ""
    text: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    html: bytes = b""
    wrong: str = ""


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """Which sample: all of it is checked against what there is."""

    template: str
    language: str
    amount: samples.Amount


class Gallery:
    def __init__(
        self, sight: Sight, templates: Templates, settings: Settings, outside: Outside
    ) -> None:
        self._sight = sight
        self._outside = outside
        self._composer = Composer(templates, settings.shop, settings.mail, _KEYS)
        self._languages = sorted(templates.catalogues)
        self._mails = {
            template: number for number, template in samples.numbered(settings.programmes)
        }
        self._rendered: dict[Wanted, Picture] = {}
        self._rendering = trio.Lock()

    def add_to(self, pages: Blueprint) -> None:
        pages.add_url_rule("/gallery", "gallery", self.show, methods=["GET"])
        pages.add_url_rule("/gallery/mail", "gallery_mail", self.mail, methods=["GET"])
        pages.add_url_rule("/gallery/html", "gallery_html", self.html, methods=["GET"])

    async def show(self) -> Response:
        """All mails as small frames, which load as they come into sight."""
        language, amount = self._language(), _amount()
        return self._sight.page(
            "gallery",
            mails=self._mails,
            language=language,
            languages=self._languages,
            amount=amount,
            amounts=AMOUNTS,
        )

    async def mail(self) -> Response:
        wanted = self._wanted()
        names = list(self._mails)
        place = names.index(wanted.template)
        return self._sight.page(
            "sample",
            picture=await self._picture(wanted),
            wanted=wanted,
            number=self._mails[wanted.template],
            languages=self._languages,
            amounts=AMOUNTS,
            before=names[place - 1] if place else None,
            after=names[place + 1] if place + 1 < len(names) else None,
        )

    async def html(self) -> Response:
        picture = await self._picture(self._wanted())
        page = zlib.decompress(picture.html) if picture.html else picture.wrong
        kind = "text/html" if picture.html else "text/plain"
        return Response(page, content_type=f"{kind}; charset=utf-8", headers=FRAME_HEADERS)

    async def _picture(self, wanted: Wanted) -> Picture:
        async with self._rendering:
            found = self._rendered.get(wanted)
            if found is None:
                found = await self._outside.in_thread(self._render, wanted)
                self._rendered[wanted] = found
        return found

    def _render(self, wanted: Wanted) -> Picture:
        locale = LOCALES.get(wanted.language, wanted.language)
        try:
            message = self._composer.compose(samples.sample(wanted.template, wanted.amount, locale))
        except EcrmError as error:
            return Picture(wrong=f"It cannot be written: {error}")
        return Picture(
            subject=message.subject,
            preheader=proof.preheader_of(message.html),
            text=message.text,
            headers=read(message.bytes).headers,
            html=zlib.compress(inert(message.html).encode()),
        )

    def _wanted(self) -> Wanted:
        """Raises NotFound where the address names none that there is."""
        template = request.args.get("template", "")
        if template not in self._mails:
            raise NotFound
        return Wanted(template, self._language(), _amount())

    def _language(self) -> str:
        asked = request.args.get("language", "")
        return asked if asked in self._languages else self._languages[0]


def _amount() -> samples.Amount:
    asked = request.args.get("amount", "")
    return next((one for one in samples.AMOUNTS if one == asked), "full")
