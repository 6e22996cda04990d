"""Mails to try templates on: what `run.py check`, the previews and the reference mails show.

Every template gets the worst it may meet: everything known, almost nothing known, and far too much
of it. The values are those its programme really has (`ecrm.mail.Values`), and no others; what a
shop need not say is left out of the bare one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from ecrm import matters, programme, programmes
from ecrm.delivery.message import MailSettings
from ecrm.mail import (
    MARKETING,
    Lane,
    Mail,
    MailClass,
    Proposal,
    Relation,
    ShownCart,
    ShownLine,
    ShownOffer,
    ShownOrder,
    ShownParcel,
    ShownPerson,
    Values,
)
from ecrm.moment import CustomerId, Instant, days, hours, later, parse_instant
from ecrm.programme import MailStep, Programme
from ecrm.shop import Shop
from ecrm.triggers import MATTERS

Amount = Literal["full", "bare", "long"]
AMOUNTS: tuple[Amount, ...] = ("full", "bare", "long")
AT = parse_instant("2026-03-05T15:30:00Z")
TONIGHT = parse_instant("2026-03-05T23:00:00Z")
NEXT_WEEK = parse_instant("2026-03-12T23:00:00Z")
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


class Shown(msgspec.Struct, frozen=True, gc=False):
    """What a mail shows beside the person: names of `Values`. `certain` are there even in the
    barest mail; what is `possible` may be missing; what is `settable` is there only where a shop
    asks for it in its settings. `relations` are those of what is proposed.
    """

    certain: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    settable: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    mail_class: MailClass = MARKETING
    lane: Lane = 2
    stranger: bool = False
    today: bool = False


def shown_by(of: tuple[Programme, ...]) -> dict[str, Shown]:
    """What the mail of each template shows, as its programme says; variants show what their step
    does.
    """
    found: dict[str, Shown] = {}
    for one in of:
        for step in one.steps:
            if isinstance(step, MailStep):
                shown = _shown(one, step)
                found |= dict.fromkeys(programme.templates_of_step(one, step), shown)
    return found


def _shown(one: Programme, step: MailStep) -> Shown:
    certain: list[str] = [name for name in step.shows if name in ("order", "parcel")]
    possible: list[str] = [name for name in step.shows if name in ("cart", "viewed", "offer")]
    if "Product Added" in one.enrol:
        certain.append("cart")
    if step.offer is not None:
        certain.append("offer")
    if step.proposes is not None:
        (certain if step.proposes.least else possible).append("proposals")
    certain += (matters.NAMES[MATTERS[name]] for name in one.enrol[:1] if name in MATTERS)
    if one.per == "cadence":
        certain.append("digest")
    return Shown(
        certain=tuple(certain),
        possible=tuple(name for name in possible if name not in certain),
        # A coupon may be given to any marketing mail by the settings.
        settable=("offer",) if step.mail_class == MARKETING and "offer" not in certain else (),
        relations=step.proposes.relations if step.proposes is not None else (),
        mail_class=step.mail_class,
        lane=step.lane,
        stranger=step.to == "invitee",
        today="cart" in certain,
    )


SHOWN: Final = shown_by(programmes.ALL)
_ANYTHING: Final = Shown(("cart", "order", "parcel", "offer"))


def of_programmes(of: tuple[Programme, ...]) -> Iterator[tuple[str, Mail]]:
    """A sample of every mail that programmes can send, with its number, by number."""
    for kind, template in numbered(of):
        yield kind, sample(template)


def numbered(of: tuple[Programme, ...]) -> list[tuple[str, str]]:
    """The number and the template of every mail that programmes can send, by number."""
    kinds: list[tuple[str, str]] = []
    for one in of:
        for step in one.steps:
            if isinstance(step, MailStep):
                kinds_of_step = (step.kind, *(variant.kind for variant in step.variants))
                kinds += zip(kinds_of_step, programme.templates_of_step(one, step), strict=True)
    return sorted(kinds)


_FULL = (
    ShownLine("p1", "Lampe de bureau Atelier", "Laiton", 1, 8900, f"{NOWHERE}/p1"),
    ShownLine("p2", "Carnet de croquis A5", "Papier 120 g", 3, 1250),
    ShownLine("p3", "Bougie « Jardin d\u2019hiver »", "", 1, 2400, f"{NOWHERE}/p3"),
)
_CODE = "MARS7-Q2KXN"
_NASTY = 'Bundle <b>3 & 4</b> "deluxe" {{ shop }} é漢字 a-very-long-word-that-does-not-break' * 2
_PROPOSED: tuple[tuple[Relation, str, str, str, int], ...] = (
    ("services", "p1", "g1", "Garantie cinq ans", 1900),
    ("complements", "p1", "g2", "Ampoule à filament E27", 1290),
    ("same_creator", "p1", "g3", "Applique Atelier", 11900),
    ("series", "p2", "g4", "Carnet de croquis A5, édition 2026", 1350),
    ("affinity", "p3", "g5", "Photophore en verre soufflé", 3200),
    ("bought_with", "p2", "g6", "Crayons graphite, boîte de six", 980),
    ("complements", "p2", "g7", "Pochette en lin pour carnet A5", 1690),
    ("affinity", "p1", "g8", "Serre-livres en laiton", 4500),
)


def sample(template: str, amount: Amount = "full", locale: str = "fr-FR") -> Mail:
    """A mail for `template`, with all, almost nothing or too much of what it may show."""
    name, _, step = template.partition("/")
    shown = SHOWN.get(template, _ANYTHING)
    return Mail(
        mail_id="01890a5d-ac96-774b-bcce-b302099a8057",
        customer_id=CustomerId("c1"),
        kind="k00",
        programme=name,
        step=step,
        template=template,
        mail_class=shown.mail_class,
        lane=shown.lane,
        at=AT,
        not_after=later(AT, days(1)),
        to="anne@exemple.example",
        locale=locale,
        zone="Europe/Paris",
        values=_values(shown, amount),
        stranger=shown.stranger,
    )


def _values(shown: Shown, amount: Amount) -> Values:
    names = shown.certain
    names += shown.possible if amount != "bare" else ()
    names += shown.settable if amount == "long" else ()
    everything: dict[str, object] = {
        "cart": _cart(amount),
        "order": _order(amount),
        "parcel": _parcel(amount),
        "offer": _offer(amount, today=shown.today),
        "proposals": _proposals(amount, shown.relations),
        "viewed": _lines(amount),
        "digest": _digest(amount),
        **_matters(amount),
    }
    person = Values(person=_person(amount), promote=amount != "bare", currency="EUR")
    return msgspec.structs.replace(person, **{name: everything[name] for name in names})


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
        recurring=True,
    )


def _parcel(amount: Amount) -> ShownParcel:
    if amount == "bare":
        return ShownParcel("10428")
    url = "https://suivi.example/?n=6A0123456789&l=fr"
    return ShownParcel("10428", "Colissimo", "6A 0123 4567 89", url, Instant(AT + 3_600_000))


def _offer(amount: Amount, *, today: bool) -> ShownOffer:
    """A discount of today or of a week in percent; in money where there is much of everything."""
    if amount == "long":
        return ShownOffer(_CODE, 0, NEXT_WEEK, 1_500, 120_00, "EUR", today=False)
    if today:
        return ShownOffer(_CODE, 10, TONIGHT)
    return ShownOffer(_CODE, 15, NEXT_WEEK, today=False)


def _proposals(amount: Amount, relations: tuple[Relation, ...]) -> tuple[Proposal, ...]:
    if amount == "bare":
        return (Proposal("85123B", "affinity"),)
    wanted = [one for relation in relations for one in _PROPOSED if one[0] == relation]
    names = {line.product_id: line.name for line in _FULL}
    proposed = tuple(
        Proposal(
            product_id=product_id,
            relation=relation,
            because=names[because] if amount == "full" else _NASTY,
            name=name if amount == "full" else _NASTY,
            price=price,
            currency="EUR",
            url=f"{NOWHERE}/{product_id}",
            image_url="" if amount == "full" else f"{NOWHERE}/{product_id}.jpg",
        )
        for relation, because, product_id, name, price in wanted
    )
    return proposed[:3] if amount == "full" else proposed * 4


def _digest(amount: Amount) -> matters.Digest:
    if amount == "bare":
        return matters.Digest("monthly", comments=(matters.Comment("85123A"),))
    many = 1 if amount == "full" else 40
    return matters.Digest(
        "weekly" if amount == "full" else "daily",
        comments=(*(_comment(amount) for _ in range(2 * many - 1)), _answer(amount)),
        carriages=tuple(_carriage(amount) for _ in range(many)),
        appointments=tuple(_appointment(amount) for _ in range(many)),
    )


def _comment(amount: Amount) -> matters.Comment:
    if amount == "bare":
        return matters.Comment("85123A")
    if amount == "full":
        excerpt = "Belle lumière, et le pied est bien lourd : rien ne bouge."
        return matters.Comment("p1", f"{NOWHERE}/p1#avis", "Luc", excerpt)
    return matters.Comment("p1", f"{NOWHERE}/p1?a=1&b=2#avis", _NASTY, _NASTY * 3)


def _answer(amount: Amount) -> matters.Comment:
    """The second of two comments in a digest."""
    if amount != "full":
        return _comment(amount)
    excerpt = "Et la lampe va avec tout. Merci Luc, je me suis laissé convaincre."
    return matters.Comment("p1", f"{NOWHERE}/p1#avis", "Mina", excerpt)


def _carriage(amount: Amount) -> matters.Carriage:
    if amount == "bare":
        return matters.Carriage("10428", "in_transit")
    status = "En cours de livraison" if amount == "full" else _NASTY
    url = "https://suivi.example/?n=6A0123456789&l=fr"
    return matters.Carriage("10428", status, "06/03/2026", url)


def _appointment(amount: Amount) -> matters.Appointment:
    starts_at = later(AT, days(2))
    if amount == "bare":
        return matters.Appointment("a1", starts_at)
    if amount == "full":
        return matters.Appointment(
            "RDV-2107", starts_at, "Atelier reliure", "12 rue des Tanneurs, Lille"
        )
    return matters.Appointment("a1", starts_at, _NASTY, _NASTY)


def _matters(amount: Amount) -> dict[str, matters.AnyMatter]:
    found = _bare() if amount == "bare" else _told(_NASTY if amount == "long" else "")
    carried = (_appointment(amount), _comment(amount), _carriage(amount))
    return {matters.NAMES[type(matter)]: matter for matter in (*found, *carried)}


def _bare() -> tuple[matters.AnyMatter, ...]:
    """No more than a shop must say."""
    soon = later(AT, hours(1))
    return (
        matters.Invoice("F-2026-0311"),
        matters.Refund("10428"),
        matters.FailedPayment(),
        matters.Code("204816", soon),
        matters.Reset(f"{NOWHERE}/reset", soon),
        matters.Login(success=False, at=AT),
        matters.AddressChange("anne.old@mail.example", "anne.new@mail.example", AT),
        matters.AccountChange((), AT),
        matters.Invitation("paul@ami.example"),
        matters.Ticket("T-881", "opened"),
        matters.Review("85123A"),
        matters.Release("85123B", "s1"),
        matters.Campaign("n1", "news"),
    )


def _told(words: str) -> tuple[matters.AnyMatter, ...]:
    """Everything a shop may say; `words` are its words where they are too many."""
    soon, image = later(AT, hours(1)), f"{NOWHERE}/g4.jpg" if words else ""
    old, new = "Carnet de croquis A5", "Carnet de croquis A5, édition 2026"
    return (
        matters.Invoice("F-2026-0311", "10428", 140_35, "EUR", NEXT_WEEK, f"{NOWHERE}/f?a=1&b=2"),
        matters.Refund("10428", 12_50 if words else 140_35, "EUR", whole=not words),
        matters.FailedPayment(
            "10428", "F-2026-0311", words or "Carte expirée", f"{NOWHERE}/payer?a=1&b=2"
        ),
        matters.Code("204816", soon, words or "Connexion"),
        matters.Reset(f"{NOWHERE}/reset?a=1&b=2", soon),
        matters.Login(
            success=not words,
            at=AT,
            ip="192.0.2.17",
            device=words or "Firefox, Linux",
            location=words or "Lille, France",
        ),
        matters.AddressChange("anne.old@mail.example", "anne.new@mail.example", AT),
        matters.AccountChange((words or "adresse de livraison", "téléphone"), AT),
        matters.Invitation("paul@ami.example", "Paul"),
        matters.Ticket("T-881", "updated", words or "Un pied de lampe rayé", words or "En cours"),
        matters.Review("p1", words or "Lampe de bureau Atelier", 5),
        matters.Release(
            "g4", "s1", "2026", words or new, 13_50, "EUR", f"{NOWHERE}/g4", image, old
        ),
        matters.Campaign("n1", "news", words or "Le printemps à l\u2019atelier"),
    )
