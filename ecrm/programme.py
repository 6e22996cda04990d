"""The vocabulary of programmes: a programme is data, in one file, that a marketer can read.

A programme says who comes in (`enrol`, `when`), what ends it (`leave`), whether it may come again
(`again`), what each stay is about (`per`), on what legal basis it writes, and its steps in order.
Steps are awaited one after the other; each counts its delay from the beginning of the stay, or from
the last time a named trigger happened (`since`). Names of triggers are the wire's event names
(`"Order Paid"`) and those of `ecrm/triggers.py`, of which `"Registered"` is one. A programme that
`repeats` begins anew after its last step, so often and no more: every stay ends.

Everything here is a frozen value: it can be printed, drawn, checked at start, and changed from
`ecrm.toml`. `ecrm/turn.py` is the one interpreter of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from ecrm import calendar, condition
from ecrm.consent import Basis
from ecrm.delays import AT_ONCE, After, Clocked, Delay
from ecrm.mail import Lane, MailClass, Relation
from ecrm.moment import Duration, format_duration, hours
from ecrm.offers import Offer

Per = Literal[
    "", "order", "parcel", "invoice", "appointment", "ticket", "comment", "update",
    "product", "campaign", "invitee", "cadence",
]  # fmt: skip
# "offer" is the coupon of an earlier step, where it can still be used.
Shows = Literal["cart", "order", "parcel", "viewed", "offer"]
# Whom a step writes to: the customer; both addresses of a change; the customer and the others that
# the matter names; only those.
To = Literal["customer", "both", "parties", "invitee"]


class Late(msgspec.Struct, frozen=True, gc=False):
    """What is done when a step comes late (`ecrm/lateness.py`). It makes sense for ever, or so long
    `after` its due; its mail goes as it was decided for ever, or so long as it is `fresh`, and is
    decided again then; `merges`: a later mail about the same says what an earlier one would have.
    """

    after: Duration | None = None
    fresh: Duration | None = None
    merges: bool = False

    def __str__(self) -> str:
        said = []
        if self.fresh is not None:
            said.append(f"decided again {format_duration(self.fresh)} late")
        if self.merges:
            said.append("merged into a later one")
        if self.after is not None:
            said.append(f"skipped {format_duration(self.after)} late")
        return ", ".join(said) or "always sent"


class Again(msgspec.Struct, frozen=True, gc=False):
    """May a person come in again: never, or so long after the last stay ended."""

    after: Duration | None

    def __str__(self) -> str:
        if self.after is None:
            return "once in a lifetime"
        if not self.after:
            return "whenever the last stay has ended"
        return f"again {format_duration(self.after)} after the last stay"


class Variant(msgspec.Struct, frozen=True, gc=False):
    """Another wording of a mail, with its own kind, for those of whom `when` holds."""

    name: str
    kind: str
    when: condition.Condition


class Proposes(msgspec.Struct, frozen=True, gc=False):
    """Products that a mail proposes: relations in order of preference, at most `most` products;
    with fewer than `least` the mail has nothing to say and is not sent.
    """

    relations: tuple[Relation, ...]
    most: int = 3
    least: int = 0


class MailStep(msgspec.Struct, frozen=True, gc=False):
    """`topic` is what a notification is about, as preferences name it (R66)."""

    name: str
    kind: str
    delay: Delay
    at: calendar.LocalTime | None
    when: condition.Condition
    late: Late
    offer: Offer | None
    variants: tuple[Variant, ...]
    shows: tuple[Shows, ...]
    mail_class: MailClass
    basis: Basis
    lane: Lane
    by_night: bool
    proposes: Proposes | None = None
    to: To = "customer"
    topic: str = ""


class MarkStep(msgspec.Struct, frozen=True, gc=False):
    """A step that sends nothing and leaves a mark on the customer."""

    name: str
    delay: Delay
    at: calendar.LocalTime | None
    when: condition.Condition


Step = MailStep | MarkStep


class Programme(msgspec.Struct, frozen=True, gc=False):
    """`repeats` is how often a stay begins anew; `budget` what its coupons may cost the shop in a
    month, in minor units of its currency (None: whatever they do). `retracts`: what ends it takes
    back also a mail that is owed and still waits in the queue; any other is taken back anyway.
    """

    name: str
    doc: str
    enrol: tuple[str, ...]
    when: condition.Condition
    leave: tuple[str, ...]
    again: Again
    per: Per
    steps: tuple[Step, ...]
    repeats: int = 0
    budget: int | None = None
    retracts: bool = False

    def step(self, name: str) -> Step | None:
        return next((step for step in self.steps if step.name == name), None)

    def after(self, name: str) -> Step | None:
        """The step that follows the one of this name; none after the last or an unknown one."""
        names = [step.name for step in self.steps]
        place = names.index(name) + 1 if name in names else len(names)
        return self.steps[place] if place < len(names) else None

    def concerns(self, refs: dict[str, str], stay: dict[str, str]) -> bool:
        """Does what a trigger is about concern a stay? What the stays are about decides; where the
        trigger does not say that, what both name: the order of an invoice, when it is cancelled.
        """
        names = {self.per} if self.per in refs else refs.keys() & stay.keys()
        return all(refs[name] == stay.get(name) for name in names)

    def clocks(self) -> frozenset[str]:
        """The triggers that some step counts from, beside those that enrol."""
        found: set[str] = set()
        for step in self.steps:
            if isinstance(step.delay, Clocked):
                found.update(option.since for option in step.delay.clocks)
        return frozenset(found - {""})

    def relations(self) -> frozenset[Relation]:
        """What its mails propose products by."""
        proposing = (step.proposes for step in self.steps if isinstance(step, MailStep))
        return frozenset(r for one in proposing if one is not None for r in one.relations)


def on(*triggers: str) -> tuple[str, ...]:
    return triggers


def once() -> Again:
    return Again(None)


def again(after: Duration = Duration(0)) -> Again:  # noqa: B008 - an immutable number
    return Again(after)


def proposes(*relations: Relation, most: int = 3, least: int = 0) -> Proposes:
    return Proposes(relations, most, least)


def local(text: str) -> calendar.LocalTime:
    return calendar.parse_local_time(text)


def send() -> Late:
    return Late(None)


def skip(after: Duration) -> Late:
    return Late(after)


def recompute(after: Duration, *, skip: Duration | None = None) -> Late:
    """Decided again `after` so long in the queue, and skipped so long after its due."""
    return Late(skip, fresh=after)


def merge(*, skip: Duration | None = None) -> Late:
    return Late(skip, merges=True)


def variant(name: str, *, kind: str, when: str) -> Variant:
    return Variant(name, kind, condition.parse(when))


class Writing(msgspec.Struct, frozen=True, gc=False):
    """In what quality a programme's mails are written, unless a step says otherwise."""

    mail_class: MailClass
    basis: Basis


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A step before its programme gave it class, basis and lane."""

    name: str
    kind: str
    delay: Delay
    at: calendar.LocalTime | None = None
    when: condition.Condition = condition.ALWAYS
    late: Late = Late()
    offer: Offer | None = None
    variants: tuple[Variant, ...] = ()
    shows: tuple[Shows, ...] = ()
    mail_class: MailClass | None = None
    basis: Basis | None = None
    by_night: bool = False
    lane: Lane | None = None
    proposes: Proposes | None = None
    to: To = "customer"
    topic: str = ""
    sends: bool = True


def mail(
    name: str,
    *,
    kind: str,
    after: Delay | Duration = AT_ONCE,
    at: calendar.LocalTime | None = None,
    when: str = "",
    late: Late = send(),  # noqa: B008 - a frozen value
    offer: Offer | None = None,
    variants: tuple[Variant, ...] = (),
    shows: tuple[Shows, ...] = (),
    mail_class: MailClass | None = None,
    basis: Basis | None = None,
    by_night: bool = False,
    lane: Lane | None = None,
    proposes: Proposes | None = None,
    to: To = "customer",
    topic: str = "",
) -> Draft:
    """A step that sends the mail of `kind`; its template is `<programme>/<name>`."""
    delay = After(Duration(after)) if isinstance(after, int) else after
    return Draft(
        name=name,
        kind=kind,
        delay=delay,
        at=at,
        when=condition.parse(when),
        late=late,
        offer=offer,
        variants=variants,
        shows=shows,
        mail_class=mail_class,
        basis=basis,
        by_night=by_night,
        lane=lane,
        proposes=proposes,
        to=to,
        topic=topic,
    )


def mark(name: str, *, after: Duration, when: str = "") -> Draft:
    """A step that sets the mark `name` on the customer."""
    return Draft(name=name, kind="", delay=After(after), when=condition.parse(when), sends=False)


def programme(
    name: str,
    *,
    doc: str | None,
    enrol: tuple[str, ...],
    steps: tuple[Draft, ...],
    basis: Basis,
    mail_class: MailClass,
    when: str = "",
    leave: tuple[str, ...] = (),
    again: Again = again(),  # noqa: B008 - a frozen value
    per: Per = "",
    repeats: int = 0,
    budget: int | None = None,
    retracts: bool = False,
) -> Programme:
    writing = Writing(mail_class=mail_class, basis=basis)
    return Programme(
        name=name,
        doc=(doc or "").strip(),
        enrol=enrol,
        when=condition.parse(when),
        leave=leave,
        again=again,
        per=per,
        steps=tuple(_step(draft, writing) for draft in steps),
        repeats=repeats,
        budget=budget,
        retracts=retracts,
    )


def _step(draft: Draft, writing: Writing) -> Step:
    if not draft.sends:
        return MarkStep(draft.name, draft.delay, draft.at, draft.when)
    mail_class = draft.mail_class or writing.mail_class
    return MailStep(
        name=draft.name,
        kind=draft.kind,
        delay=draft.delay,
        at=draft.at,
        when=draft.when,
        late=draft.late,
        offer=draft.offer,
        variants=draft.variants,
        shows=draft.shows,
        mail_class=mail_class,
        basis=draft.basis or writing.basis,
        lane=draft.lane if draft.lane is not None else 2 if mail_class == "marketing" else 1,
        by_night=draft.by_night,
        proposes=draft.proposes,
        to=draft.to,
        topic=draft.topic,
    )


# How long a mail may wait in the queue, by lane (delivery §1.3).
LANE_AGE: Final[Mapping[Lane, Duration]] = {
    0: Duration(600_000),
    1: hours(72),
    2: hours(24),
    3: hours(24),
}


def templates_of(one: Programme) -> tuple[str, ...]:
    """The templates of all mails a programme can send, variants included."""
    steps = (step for step in one.steps if isinstance(step, MailStep))
    return tuple(name for step in steps for name in templates_of_step(one, step))


def templates_of_step(one: Programme, step: MailStep) -> tuple[str, ...]:
    """The step's own template, then those of its variants in order."""
    name = f"{one.name}/{step.name}"
    return (name, *(f"{name}-{variant.name}" for variant in step.variants))
