"""Engagement: how somebody lives with the shop's mails, as one of five tiers (R47, delivery §5.3).

Opens lie: privacy proxies and scanners fetch pictures that nobody looked at, and watching them
needs consent (mission §9.3). So an open is told of its letter only where a person opened it and
the letter was observed; of every other one only the day is kept, for the hygiene of the list. A
tier is `inactive` only where opens could have been seen or had been before; who cannot be measured
is `unmeasured`, and is never cleaned away for it. A click is an open too.

Something lies in the window while it is not more than `window` ago. What is recorded is bounded
and knows no thresholds; those come in when the tier is asked for, so that a shop may change them
(R48) without rewriting the past. Every function is total, whatever the order of the instants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

import msgspec

from ecrm.moment import DAY, NEVER, Duration, Instant, days, format_duration

Tier = Literal["unmeasured", "inactive", "semi-active", "active", "super-active"]

# Forty letters are five months of a shop that writes twice a week: twice what the rates look at.
LETTERS_KEPT: Final = 40
# What is forgotten cannot be measured: these are also the widest spans that a shop may set.
KEPT_FOR: Final = days(366)
CLICK_KEPT_FOR: Final = days(31)
# One is enough but where each order took longer after its click than the one before.
BOUGHT_KEPT: Final = 8

_NEVER_YET: Final = Instant(-NEVER)


class Letter(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A marketing mail that was accepted `at`; `observed` where consent allows to see its opens.
    The last open and the last click of a person.
    """

    mail_id: str
    at: Instant
    observed: bool = False
    opened_at: Instant | None = None
    clicked_at: Instant | None = None


class Bought(msgspec.Struct, frozen=True, gc=False):
    """An order placed `at`, so long `after` a click."""

    at: Instant
    after: Duration


class Engagement(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The newest letters, oldest first; when the first of all was accepted; the UTC day of the last
    open of whatever kind, as its start; and the last of everything else a person did.
    """

    letters: tuple[Letter, ...] = ()
    first_at: Instant | None = None
    opened_on: Instant | None = None
    clicked_at: Instant | None = None
    ordered_at: Instant | None = None
    seen_at: Instant | None = None
    answered_at: Instant | None = None
    bought: tuple[Bought, ...] = ()


class Thresholds(msgspec.Struct, frozen=True, gc=False):
    """The numbers of delivery §5.3, for the shop to set (R48). Rates are per mille of the newest
    `last` letters in the window.

    Raises ValueError on numbers that what is remembered cannot answer.
    """

    window: Duration = days(183)
    received: int = 3
    first: Duration = days(30)
    last: int = 20
    rate_active: int = 250
    opens_active: int = 3
    clicks_active: int = 1
    rate_super: int = 750
    clicks_super: int = 2
    after_click: Duration = days(7)

    def __post_init__(self) -> None:
        for name, most in _SPANS.items():
            span: Duration = getattr(self, name)
            if not 0 <= span <= most:
                raise ValueError(f"{name} is at most {format_duration(most)}, not {span} ms")
        for name, (least, most_of) in _COUNTS.items():
            count: int = getattr(self, name)
            if not least <= count <= most_of:
                raise ValueError(f"{name} is {least} to {most_of}, not {count}")


_SPANS: Final = {"window": KEPT_FOR, "first": KEPT_FOR, "after_click": CLICK_KEPT_FOR}
_COUNTS: Final = {
    **dict.fromkeys(("received", "last", "opens_active"), (1, LETTERS_KEPT)),
    **dict.fromkeys(("clicks_active", "clicks_super"), (1, LETTERS_KEPT)),
    **dict.fromkeys(("rate_active", "rate_super"), (0, 1_000)),
}


def accepted(e: Engagement, mail_id: str, at: Instant, *, observed: bool) -> Engagement:
    """A marketing mail was accepted for delivery; one that is known already changes nothing."""
    if any(letter.mail_id == mail_id for letter in e.letters):
        return e
    letter = Letter(mail_id, at, observed)
    letters = sorted((*e.letters, letter), key=lambda each: each.at)[-LETTERS_KEPT:]
    oldest = letters[-1].at - KEPT_FOR
    return msgspec.structs.replace(
        e,
        letters=tuple(each for each in letters if each.at >= oldest),
        first_at=at if e.first_at is None else min(e.first_at, at),
    )


def opened(e: Engagement, mail_id: str, at: Instant, *, human: bool) -> Engagement:
    """The picture of a mail was fetched: by a person where `human`, else by a machine or by who
    knows. Machines are told here too: a mailbox of which only they are seen is not measured.
    """
    letters = e.letters
    if human:
        letters = tuple(
            _opened(letter, at) if letter.observed and letter.mail_id == mail_id else letter
            for letter in letters
        )
    return msgspec.structs.replace(e, letters=letters, opened_on=_latest(e.opened_on, _day_of(at)))


def clicked(e: Engagement, mail_id: str, at: Instant) -> Engagement:
    """A person clicked in a mail, whose opening that proves; one that is no letter (or no longer)
    counts as one click beside theirs.
    """
    letters = tuple(
        _clicked(letter, at) if letter.mail_id == mail_id else letter for letter in e.letters
    )
    return msgspec.structs.replace(
        e,
        letters=letters,
        opened_on=_latest(e.opened_on, _day_of(at)),
        clicked_at=_latest(e.clicked_at, at),
        bought=e.bought if e.ordered_at is None else _with_bought(e.bought, at, e.ordered_at),
    )


def ordered(e: Engagement, at: Instant) -> Engagement:
    """An order was placed; how long after the last click before it is kept (R85)."""
    click = max((click for click in _clicks(e) if click <= at), default=None)
    return msgspec.structs.replace(
        e,
        ordered_at=_latest(e.ordered_at, at),
        bought=e.bought if click is None else _with_bought(e.bought, click, at),
    )


def seen(e: Engagement, at: Instant) -> Engagement:
    """A login, or a visit while known."""
    return msgspec.structs.replace(e, seen_at=_latest(e.seen_at, at))


def answered(e: Engagement, at: Instant) -> Engagement:
    """A survey, a preference or a mail was answered."""
    return msgspec.structs.replace(e, answered_at=_latest(e.answered_at, at))


def merged(ours: Engagement, theirs: Engagement) -> Engagement:
    """Of two lives that are one person's, all that either knew."""
    both = {letter.mail_id: letter for letter in (*theirs.letters, *ours.letters)}
    letters = sorted(both.values(), key=lambda each: (each.at, each.mail_id))[-LETTERS_KEPT:]
    bought = ours.bought
    for one in theirs.bought:
        bought = _with_bought(bought, Instant(one.at - one.after), one.at)
    return Engagement(
        letters=tuple(letters),
        first_at=_of(min, ours.first_at, theirs.first_at),
        opened_on=_of(max, ours.opened_on, theirs.opened_on),
        clicked_at=_of(max, ours.clicked_at, theirs.clicked_at),
        ordered_at=_of(max, ours.ordered_at, theirs.ordered_at),
        seen_at=_of(max, ours.seen_at, theirs.seen_at),
        answered_at=_of(max, ours.answered_at, theirs.answered_at),
        bought=bought,
    )


def _of(
    choice: Callable[[Iterable[Instant]], Instant], *instants: Instant | None
) -> Instant | None:
    known = [at for at in instants if at is not None]
    return choice(known) if known else None


def _latest(known: Instant | None, at: Instant) -> Instant:
    return at if known is None else max(known, at)


def _day_of(at: Instant) -> Instant:
    return Instant(at - at % DAY)


def _opened(letter: Letter, at: Instant) -> Letter:
    return msgspec.structs.replace(letter, opened_at=_latest(letter.opened_at, at))


def _clicked(letter: Letter, at: Instant) -> Letter:
    return msgspec.structs.replace(_opened(letter, at), clicked_at=_latest(letter.clicked_at, at))


def _opens(letters: Iterable[Letter]) -> list[Instant]:
    return [letter.opened_at for letter in letters if letter.opened_at is not None]


def _clicks(e: Engagement) -> list[Instant]:
    """The last click of each letter, and of a mail that is none."""
    clicks = [letter.clicked_at for letter in e.letters if letter.clicked_at is not None]
    if e.clicked_at is not None and e.clicked_at not in clicks:
        clicks.append(e.clicked_at)
    return clicks


def _with_bought(known: tuple[Bought, ...], click: Instant, order: Instant) -> tuple[Bought, ...]:
    """Whatever span after a click a shop will ask for, the newest order within it stays known: one
    is forgotten only for another that is no older and came no later after its click.
    """
    new = Bought(order, Duration(order - click))
    if not 0 <= new.after <= CLICK_KEPT_FOR or any(_says_as_much(old, new) for old in known):
        return known
    left = [old for old in known if not _says_as_much(new, old)]
    return tuple(sorted((*left, new), key=lambda each: each.at)[-BOUGHT_KEPT:])


def _says_as_much(one: Bought, other: Bought) -> bool:
    return one.at >= other.at and one.after <= other.after


def tier(e: Engagement, now: Instant, thresholds: Thresholds) -> Tier:
    """The class of delivery §5.3. Where its table is silent: who is alive but not active is
    `semi-active`, also without an open in the window (a login, an order); and where opens cannot
    be seen, a click or an order is enough for `active`, while only letters clicked prove a rate.
    """
    return _tier(_proof(e, thresholds), now, thresholds)


def next_change(e: Engagement, now: Instant, thresholds: Thresholds) -> Instant | None:
    """The first instant after `now` with another tier if nothing else happens; None if never."""
    proof = _proof(e, thresholds)
    before = _tier(proof, now, thresholds)
    turns = {proof.measured_at, *(at + thresholds.window + 1 for at in _instants(proof))}
    for turn in sorted(turns):
        at = Instant(turn)
        if now < at < NEVER and _tier(proof, at, thresholds) != before:
            return at
    return None


def last_evidence(e: Engagement) -> Instant | None:
    """When the person last showed signs of life (mission §9.3); None if never. An open that was not
    observed counts as the start of its UTC day, so compare with `alive_since`, which knows that.
    """
    signs = [*_signs(e), *(() if e.opened_on is None else (e.opened_on,))]
    return max(signs, default=None)


def alive_since(e: Engagement, at: Instant) -> bool:
    """Whether there is evidence of life from `at` on; an open of that same UTC day is, in doubt."""
    opened_on = _NEVER_YET if e.opened_on is None else e.opened_on
    return opened_on >= _day_of(at) or any(sign >= at for sign in _signs(e))


def _signs(e: Engagement) -> list[Instant]:
    """The evidence of life that is known to the millisecond."""
    acts = (e.clicked_at, e.ordered_at, e.seen_at, e.answered_at)
    return [*(act for act in acts if act is not None), *_opens(e.letters)]


class _Proof(msgspec.Struct, frozen=True, gc=False):
    """What a tier asks for, each as the instant that proves it: it holds while that lies in the
    window. `letters` are those that the rates are of; `observed` of them, where opens can be seen.
    """

    measured_at: Instant
    received: Instant
    watched: Instant
    watched_open: Instant
    hygiene: Instant
    alive: Instant
    opens: Instant
    click: Instant
    clicks: Instant
    order: Instant
    bought: Instant
    letters: tuple[Letter, ...]
    observed: tuple[Letter, ...]


def _proof(e: Engagement, t: Thresholds) -> _Proof:
    observed = tuple(letter for letter in e.letters if letter.observed)
    clicks = _clicks(e)
    return _Proof(
        measured_at=NEVER if e.first_at is None else Instant(e.first_at + t.first),
        received=_newest((letter.at for letter in e.letters), t.received),
        watched=_newest((letter.at for letter in observed), t.received),
        watched_open=_newest(_opens(observed)),
        hygiene=_NEVER_YET if e.opened_on is None else e.opened_on,
        alive=_NEVER_YET if (last := last_evidence(e)) is None else last,
        opens=_newest(_opens(e.letters), t.opens_active),
        click=_newest(clicks, t.clicks_active),
        clicks=_newest(clicks, t.clicks_super),
        order=_NEVER_YET if e.ordered_at is None else e.ordered_at,
        bought=_newest(each.at for each in e.bought if each.after <= t.after_click),
        letters=e.letters[-t.last :],
        observed=observed[-t.last :],
    )


def _newest(instants: Iterable[Instant], nth: int = 1) -> Instant:
    """The `nth` newest: so many lie in the window exactly while this one does."""
    found = sorted(instants, reverse=True)
    return found[nth - 1] if nth <= len(found) else _NEVER_YET


def _instants(proof: _Proof) -> Iterator[Instant]:
    """All that can leave the window with a change of tier."""
    yield from (proof.received, proof.watched, proof.watched_open, proof.hygiene, proof.alive)
    yield from (proof.opens, proof.click, proof.clicks, proof.order, proof.bought)
    yield from (letter.at for letter in (*proof.letters, *proof.observed))


def _tier(proof: _Proof, now: Instant, t: Thresholds) -> Tier:
    since = Instant(now - t.window)
    if now < proof.measured_at or proof.received < since:
        return "unmeasured"
    # Where nothing but a hygiene day tells of opens, only machines may have opened.
    observable = proof.watched_open >= since or proof.watched >= since > proof.hygiene
    if proof.alive < since:
        return "inactive" if observable or proof.hygiene > _NEVER_YET else "unmeasured"
    rate = _rate(proof.observed if observable else proof.letters, since)
    if proof.bought >= since and proof.clicks >= since and rate >= t.rate_super:
        return "super-active"
    if not observable:
        return "active" if max(proof.click, proof.order) >= since else "unmeasured"
    regular = proof.opens >= since or rate >= t.rate_active
    return "active" if regular and proof.click >= since else "semi-active"


def _rate(letters: tuple[Letter, ...], since: Instant) -> int:
    """How many in a thousand of the letters in the window were opened."""
    opens = [letter.opened_at is not None for letter in letters if letter.at >= since]
    return sum(opens) * 1_000 // len(opens) if opens else 0
