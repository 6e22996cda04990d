"""Mails to try templates on: what `run.py check`, the previews and the reference mails show.

Every template gets the worst it may meet: everything known, almost nothing known, and far too much
of it. The values are those its programme really has (`ecrm.mail.Values`), and no others.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from ecrm.delivery.message import MailSettings
from ecrm.mail import (
    Mail,
    ShownCart,
    ShownLine,
    ShownOffer,
    ShownOrder,
    ShownParcel,
    ShownPerson,
    Values,
)
from ecrm.moment import CustomerId, Instant, days, later, parse_instant
from ecrm.shop import Shop

Amount = Literal["full", "bare", "long"]
AMOUNTS: tuple[Amount, ...] = ("full", "bare", "long")
AT = parse_instant("2026-03-05T15:30:00Z")
TONIGHT = parse_instant("2026-03-05T23:00:00Z")
NOWHERE = "https://boutique.example"

SHOP = Shop(
    name="Maison Arbel",
    public_url=NOWHERE,
    support_email="bonjour@boutique.example",
    postal_address="12 rue des Tanneurs, 59000 Lille, France",
    cart_url=f"{NOWHERE}/panier",
)
SETTINGS = MailSettings(
    from_transactional="commandes@boutique.example",
    from_marketing="lettres@news.boutique.example",
    reply_to="bonjour@boutique.example",
    links_url="https://courrier.boutique.example",
    unsubscribe="stop@boutique.example",
)
PROGRAMMES = {
    "cart": ("cart",),
    "confirmation": ("order",),
    "preparation": ("order",),
    "parcel": ("order",),
    "review": ("order",),
    "shipment": ("order", "parcel"),
    "welcome": (),
}
TRANSACTIONAL = frozenset(("confirmation", "preparation", "shipment"))

_FULL = (
    ShownLine("p1", "Lampe de bureau Atelier", "Laiton", 1, 8900, f"{NOWHERE}/p1"),
    ShownLine("p2", "Carnet de croquis A5", "Papier 120 g", 3, 1250),
    ShownLine("p3", "Bougie « Jardin d\u2019hiver »", "", 1, 2400, f"{NOWHERE}/p3"),
)
_NASTY = 'Bundle <b>3 & 4</b> "deluxe" {{ shop }} é漢字 a-very-long-word-that-does-not-break' * 2


def sample(template: str, amount: Amount = "full", locale: str = "fr-FR") -> Mail:
    """A mail for `template`, with all, almost nothing or too much of what it may show."""
    programme, _, step = template.partition("/")
    transactional = programme in TRANSACTIONAL
    return Mail(
        mail_id="01890a5d-ac96-774b-bcce-b302099a8057",
        customer_id=CustomerId("c1"),
        kind="k00",
        programme=programme,
        step=step,
        template=template,
        mail_class="transactional" if transactional else "marketing",
        lane=1 if transactional else 2,
        at=AT,
        not_after=later(AT, days(1)),
        to="anne@exemple.example",
        locale=locale,
        zone="Europe/Paris",
        values=_values(programme, step, amount),
    )


def _values(programme: str, step: str, amount: Amount) -> Values:
    shown = PROGRAMMES.get(programme, ("cart", "order", "parcel", "offer"))
    offered = "offer" in shown or (programme == "cart" and step.startswith("offer"))
    return Values(
        person=_person(amount),
        cart=_cart(amount) if "cart" in shown else None,
        order=_order(amount) if "order" in shown else None,
        parcel=_parcel(amount) if "parcel" in shown else None,
        offer=ShownOffer(code="MARS-7Q2K", percent=10, until=TONIGHT) if offered else None,
        promote=amount != "bare",
    )


def _person(amount: Amount) -> ShownPerson:
    if amount == "bare":
        return ShownPerson()
    return (
        ShownPerson("Anne", "Martin")
        if amount == "full"
        else ShownPerson("D\u2019Arcy & <Co>", "Ö")
    )


def _lines(amount: Amount) -> tuple[ShownLine, ...]:
    if amount == "full":
        return _FULL
    if amount == "bare":
        return (ShownLine("85123A"),)
    line = ShownLine("p", _NASTY, "L", 12, 999_99, f"{NOWHERE}/?a=1&b=2", f"{NOWHERE}/i.jpg")
    return tuple(msgspec.structs.replace(line, product_id=f"p{n}") for n in range(60))


def _cart(amount: Amount) -> ShownCart:
    total = {"full": 150_50, "bare": 0, "long": 719_992_80}[amount]
    return ShownCart("k1", "EUR", _lines(amount), total)


def _order(amount: Amount) -> ShownOrder:
    if amount == "bare":
        return ShownOrder("10428", "EUR", _lines(amount))
    return ShownOrder(
        "10428",
        "EUR",
        _lines(amount),
        total=140_35 if amount == "full" else 719_992_80,
        shipping=490 if amount == "full" else 0,
        tax=23_39,
        discount=15_05,
        placed_at=AT,
        payment_method="Carte bancaire" if amount == "full" else _NASTY,
    )


def _parcel(amount: Amount) -> ShownParcel:
    if amount == "bare":
        return ShownParcel("10428")
    url = "https://suivi.example/?n=6A0123456789&l=fr"
    return ShownParcel("10428", "Colissimo", "6A 0123 4567 89", url, Instant(AT + 3_600_000))
