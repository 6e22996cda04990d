"""Overrides: what `[programmes]` of the settings changes in programmes (wire §5).

What is written in a programme's file stands unless the settings say otherwise: a programme can be
switched off, and any delay, offer, cap or condition changed, without touching code. Every mistake
is one line that names the setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal, assert_never

from msgspec import Meta
from msgspec.structs import replace

from actors import mistakes
from actors.mistakes import Section, value
from ecrm import calendar, condition, delays, moment, offers, programme, programmes
from ecrm.errors import Misconfigured
from ecrm.money import minor_units
from ecrm.programme import MailStep, Programme, Step


class OfferSection(Section, frozen=True):
    """`percent`, or else `amount` in the shop's currency; `valid` counts from the mail."""

    percent: Annotated[int, Meta(ge=1, le=99)] | None = None
    amount: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    valid: str = ""
    minimum: Annotated[float, Meta(ge=0, le=1e9)] = 0.0


class StepSection(Section, frozen=True):
    """`after` is one duration, or one per clock the step counts from."""

    enabled: bool = True
    after: str | dict[str, str] | None = None
    at: str | None = None
    when: str | None = None
    late: str | None = None
    offer: OfferSection | Literal[False] | None = None


class ProgrammeSection(Section, frozen=True):
    """`budget` is what its coupons may cost the shop in a month, in its currency."""

    enabled: bool = True
    when: str | None = None
    repeats: Annotated[int, Meta(ge=0, le=100)] | None = None
    budget: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    steps: Mapping[str, StepSection] = {}


def changed(sections: Mapping[str, ProgrammeSection], currency: str) -> tuple[Programme, ...]:
    names = [one.name for one in programmes.ALL]
    for name in sections:
        if name not in names:
            raise Misconfigured(
                f"programmes.{name}: there is no such programme{mistakes.near(name, names)}"
            )
    return tuple(
        _changed(one, sections.get(one.name, ProgrammeSection()), currency)
        for one in programmes.ALL
        if sections.get(one.name, ProgrammeSection()).enabled
    )


def written(sections: Mapping[str, ProgrammeSection]) -> frozenset[str]:
    """The full names of the settings that are written: `programmes.cart.steps.offer.after`."""
    return frozenset(
        f"{where}.{name}"
        for one, section in sections.items()
        for where, part in (
            (f"programmes.{one}", section),
            *((f"programmes.{one}.steps.{name}", step) for name, step in section.steps.items()),
        )
        for name in part.__struct_fields__
        if name != "steps" and (told := getattr(part, name)) is not None and told is not True
    )


def _changed(one: Programme, section: ProgrammeSection, currency: str) -> Programme:
    where = f"programmes.{one.name}"
    names = [step.name for step in one.steps]
    for name in section.steps:
        if name not in names:
            raise Misconfigured(
                f"{where}.steps.{name}: there is no such step{mistakes.near(name, names)}"
            )
    steps = tuple(
        _changed_step(f"{where}.steps.{step.name}", step, section.steps[step.name], currency)
        if step.name in section.steps
        else step
        for step in one.steps
        if section.steps.get(step.name, StepSection()).enabled
    )
    if not steps:
        raise Misconfigured(f"{where}: no step is left: write enabled = false for the programme")
    when = one.when
    if section.when is not None:
        when = value(f"{where}.when", condition.parse, section.when)
    budget = one.budget if section.budget is None else minor_units(section.budget, currency)
    repeats = one.repeats if section.repeats is None else section.repeats
    return replace(one, steps=steps, when=when, budget=budget, repeats=repeats)


def _changed_step(where: str, step: Step, section: StepSection, currency: str) -> Step:
    changes: dict[str, object] = {}
    if section.after is not None:
        changes["delay"] = _delay(f"{where}.after", step.delay, section.after)
    if section.at is not None:
        at = value(f"{where}.at", calendar.parse_local_time, section.at)
        if isinstance(step.delay, delays.Gathered):
            # The end of the period itself moves; the next such time after it may be a day late.
            changes["delay"] = delays.Gathered(at)
        else:
            changes["at"] = at
    if section.when is not None:
        changes["when"] = value(f"{where}.when", condition.parse, section.when)
    if isinstance(step, MailStep):
        if section.late is not None:
            changes["late"] = value(f"{where}.late", partial(_late, step), section.late)
        if section.offer is not None:
            changes["offer"] = _offer(f"{where}.offer", section.offer, currency)
    elif section.late is not None or section.offer is not None:
        raise Misconfigured(f"{where} sends no mail: it takes no `late` and no `offer`")
    return replace(step, **changes)


def _offer(where: str, given: OfferSection | Literal[False], currency: str) -> offers.Offer:
    if given is False:
        raise Misconfigured(
            f"{where}: its mail is about the coupon: write enabled = false for the step instead"
        )
    if (given.percent is None) == (given.amount is None):
        raise Misconfigured(f"{where}: write either percent or amount")
    return offers.Offer(
        percent=given.percent or 0,
        amount=minor_units(given.amount or 0, currency),
        valid=value(f"{where}.valid", moment.parse_duration, given.valid or "0s"),
        minimum=minor_units(given.minimum, currency),
    )


def _late(step: MailStep, text: str) -> programme.Late:
    """Read `"send"`, or one or more of `"merge, recompute after 1h, skip after 3h"`."""
    if text.strip() == "send":
        return programme.send()
    late = programme.Late()
    for part in text.split(","):
        match part.split(maxsplit=2):
            case ["merge"] if not late.merges:
                late = replace(late, merges=True)
            case ["recompute", "after", span] if late.fresh is None:
                late = replace(late, fresh=moment.parse_duration(span))
            case ["skip", "after", span] if late.after is None:
                late = replace(late, after=moment.parse_duration(span))
            case _:
                raise ValueError(
                    f'{text!r} is no late policy: write "send" or "skip after 3h", and before that '
                    '"recompute after 1h", "merge" where they are wanted, with commas'
                )
    if late.fresh is not None and (fault := _undecidable(step)):
        raise ValueError(f"{fault}: leave out `recompute`")
    return late


def _undecidable(step: MailStep) -> str:
    """Why the mail of a step cannot be decided again; empty where it can."""
    if step.to != "customer":
        return "it goes to others too, who may have it already"
    if step.lane == 0:
        return "what it says is kept nowhere"
    if isinstance(step.delay, delays.Gathered):
        return "what it gathered is in it and nowhere else (write `merge`)"
    return ""


def _delay(where: str, delay: delays.Delay, given: str | dict[str, str]) -> delays.Delay:
    if isinstance(given, str):
        return _spanned(delay, value(where, moment.parse_duration, given), where)
    if not isinstance(delay, delays.Clocked):
        raise Misconfigured(f'{where}: it counts from one beginning: write "3d"')
    options = {option.since: option for option in delay.clocks}
    for clock, text in given.items():
        if clock not in options:
            raise Misconfigured(
                f"{where}: {clock!r} is no clock of it{mistakes.near(clock, list(options))}"
            )
        span = value(f"{where}.{clock}", moment.parse_duration, text)
        options[clock] = replace(options[clock], span=span)
    if isinstance(delay, delays.After):
        return options[delay.since]
    return replace(delay, options=tuple(options.values()))


def _spanned(delay: delays.Delay, span: moment.Duration, where: str) -> delays.Delay:
    """The same delay with another span: of all its clocks, before its date, or where no product
    says how long it lasts.
    """
    match delay:
        case delays.After() | delays.Before():
            return replace(delay, span=span)
        case delays.Earliest(options) | delays.Latest(options):
            return replace(delay, options=tuple(replace(one, span=span) for one in options))
        case delays.Cycle():
            return replace(delay, usual=span)
        case delays.Gathered():
            raise Misconfigured(f"{where}: a digest goes when its period ends: set `at`")
        case _:
            assert_never(delay)
