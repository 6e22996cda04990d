"""The composer: a mail that was decided on becomes the bytes that go out.

Pure work on one CPU, no waiting: the same `Mail` always makes the same bytes. What a customer or a
shop typed is shown, never obeyed: HTML is escaped, addresses other than http(s) are left out, and a
first name that is none (an address, a sentence of advertising) is not repeated to a stranger.
A template that fails raises `errors.Misconfigured`, a mail that cannot be written `Rejected`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache

import jinja2
import msgspec
from babel import Locale
from jinja2.runtime import Context

from actors import formats
from actors.following import Follower
from actors.templates import SOURCE_LANGUAGE, Templates
from ecrm import errors, links
from ecrm.delivery import dkim, message, returns
from ecrm.delivery.dkim import Signer
from ecrm.delivery.message import Content, MailSettings, Part
from ecrm.links import LinkKeys, Purpose
from ecrm.mail import NOTIFICATION, Mail, ShownPerson
from ecrm.matters import Invitation
from ecrm.shop import Shop

_BREAKS = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029]+")
# no name has these; an address or an advertisement has
_NO_NAME = re.compile(r"[/@:<>{}\[\]\\\d\x00-\x1f]|\.\w|^.{41}")


class Message(msgspec.Struct, frozen=True):
    """`bytes` is what a transport sends; the rest is what an operator looks at. `destinations` are
    where the followed links of a mail lead, from place 1 on.
    """

    bytes: bytes
    subject: str
    html: str
    text: str
    destinations: tuple[str, ...] = ()


class Links:
    """Where a mail can lead. Tokens are made when a template asks for them."""

    def __init__(self, mail: Mail, shop: Shop, base: str, keys: LinkKeys) -> None:
        self._mail, self._base, self._keys = mail, base, keys
        self.shop = shop.public_url
        self.cart = shop.cart_url or shop.public_url

    @cached_property
    def token(self) -> str:
        """What unsubscribes, also in the header."""
        return links.make(self._keys, "unsubscribe", self._mail.mail_id)

    @cached_property
    def unsubscribe(self) -> str:
        return links.url(self._base, "unsubscribe", self.token)

    @cached_property
    def preferences(self) -> str:
        return self._page("preferences")

    @cached_property
    def view(self) -> str:
        return self._page("view")

    def rate(self, score: int) -> str:
        """The link index is the score, 1 to 5."""
        return self._page("rate", score)

    def prefer(self, choice: int) -> str:
        """An answer in one click (k26): 1 weekly, 2 monthly, 3 only what I ordered."""
        return self._page("preferences", choice)

    def review(self, product_id: str) -> str:
        """The link index is the product's place in the order, from 1; 0 for none of it."""
        order = self._mail.values.order
        ids = [line.product_id for line in order.lines] if order else []
        return self._page("review", ids.index(product_id) + 1 if product_id in ids else 0)

    def _page(self, purpose: Purpose, index: int = 0) -> str:
        token = links.make(self._keys, purpose, self._mail.mail_id, index)
        return links.url(self._base, purpose, token)


class Composer:
    """`shop` is the one the templates were read for. Raises errors.Rejected at once where the
    settings name an address that cannot be written to.
    """

    def __init__(
        self,
        templates: Templates,
        shop: Shop,
        settings: MailSettings,
        link_key: LinkKeys,
        signers: tuple[Signer, ...] = (),
        bounces: str = "",
    ) -> None:
        self._templates = templates
        self._shop = shop
        self._sender = message.sender_of(settings, shop.name)
        self._base = settings.links_url
        self._keys = link_key
        self._signers = signers
        self._bounces = bounces
        self._read_locale = lru_cache(maxsize=1024)(self._resolve)

    def compose(self, mail: Mail) -> Message:
        """Raises errors.Rejected, errors.Misconfigured."""
        language = self._read_locale(mail.locale)[1]
        compiled = self._templates.find(mail.template, language)
        ways = self.links(mail)
        values = self.values(mail, ways)
        with _filling(mail, language):
            subject = _subject(compiled.subject, values)
            text = _filled(compiled.text, values)
            html = _filled(compiled.html, values)
        follower = Follower(mail, self._shop, self._base, self._keys)
        if mail.track_opens or mail.track_clicks:
            html, text = follower.html(html), follower.text(text)
        content = Content(
            subject=subject,
            text=Part(text, compiled.known_text),
            html=Part(html, compiled.known_html),
            unsubscribe_url=ways.unsubscribe if message.is_marketing(mail) else "",
            unsubscribe_token=ways.token if message.is_marketing(mail) else "",
        )
        written = message.write(mail, self._sender, content)
        for signer in self._signers:
            written = dkim.signed(written, signer, mail.at)
        return Message(
            bytes=written,
            subject=subject,
            html="".join(html),
            text="".join(text),
            destinations=follower.destinations,
        )

    def subject(self, mail: Mail) -> str:
        """The subject line alone. Raises errors.Rejected, errors.Misconfigured."""
        language = self._read_locale(mail.locale)[1]
        template = self._templates.find(mail.template, language).subject
        values = self.values(mail, self.links(mail))
        with _filling(mail, language):
            return _subject(template, values)

    def return_path(self, mail: Mail) -> str:
        """Where bounces of this mail go; empty where the shop takes none in."""
        return returns.make(self._keys, self._bounces, mail.mail_id) if self._bounces else ""

    def links(self, mail: Mail) -> Links:
        return Links(mail, self._shop, self._base, self._keys)

    def values(self, mail: Mail, ways: Links) -> dict[str, object]:
        """What the template of a mail is filled with. Raises errors.Rejected on a bad zone."""
        shown = mail.values
        locale = self._read_locale(mail.locale)[0]
        try:
            written = formats.formats_of(locale, mail.zone)
        except (LookupError, ValueError, OSError):
            raise errors.Rejected("bad_zone", f"{mail.zone!r} is no time zone", "zone") from None
        return {
            **msgspec.structs.asdict(shown),
            "person": _shown_person(shown.person),
            "invitation": _shown_invitation(shown.invitation),
            "marketing": message.is_marketing(mail),
            "notification": mail.mail_class == NOTIFICATION,
            "stranger": mail.stranger,
            **self._templates.constants,
            "links": ways,
            "formats": written,
        }

    def _resolve(self, wanted: str) -> tuple[Locale, str]:
        """A locale we can write in, and the language of its templates: the customer's, else the
        shop's, else English. One locale for words and numbers: a French mail has French dates.
        """
        for text in (wanted, self._shop.locale):
            locale = formats.parse_locale(text)
            if locale is not None and locale.language in self._templates.catalogues:
                return locale, locale.language
        return Locale.parse(SOURCE_LANGUAGE), SOURCE_LANGUAGE


@contextmanager
def _filling(mail: Mail, language: str) -> Iterator[None]:
    """What goes wrong in a template is named after it. Raises errors.Misconfigured."""
    try:
        yield
    except (jinja2.TemplateError, TypeError, ValueError, LookupError) as exc:
        raise errors.Misconfigured(f"mail/{mail.template} ({language}): {exc}") from exc


def _subject(template: jinja2.Template, values: dict[str, object]) -> str:
    return _BREAKS.sub(" ", "".join(_filled(template, values))).strip()


def _filled(template: jinja2.Template, values: dict[str, object]) -> list[str]:
    """The pieces of a filled template. Jinja's own functions (`range` and so on) are left out:
    putting them beside the values takes longer than filling a short text.
    """
    context = Context(template.environment, dict(values), template.name, template.blocks)
    return list(template.root_render_func(context))


def _shown_person(person: ShownPerson) -> ShownPerson:
    return ShownPerson(_name(person.first_name), _name(person.last_name))


def _shown_invitation(invitation: Invitation | None) -> Invitation | None:
    """What a customer typed is not a way to write to strangers in the shop's name."""
    if invitation is None:
        return None
    return msgspec.structs.replace(invitation, first_name=_name(invitation.first_name))


def _name(typed: str) -> str:
    return "" if _NO_NAME.search(typed) else typed
