"""The person: who it is, what account there is, what it agreed to and wishes for."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from ecrm import calendar, facts, matters
from ecrm.acceptance.told import Facts, Told
from ecrm.moment import days
from ecrm.pressure import WEEK
from ecrm.state import Person, State, Wish
from proto import envelope, events


def identified(told: Told, traits: envelope.Traits) -> Facts:
    before = told.state.person
    after = replace(before, **said(traits))
    return (*_person(before, after), *_registered(told.state, after, signed_up=False))


def said(traits: envelope.Traits) -> dict[str, str]:
    """What traits tell of a `Person`, by its field."""
    address = traits.address
    zone = traits.timezone or ""
    told = {
        "email": traits.email,
        "first_name": traits.first_name,
        "last_name": traits.last_name,
        "phone": traits.phone,
        "birthday": traits.birthday,
        "gender": traits.gender,
        "country": address.country if address else None,
        "locale": traits.locale,
        # A zone that no calendar knows would silence the quiet hours: the shop's own is better.
        "zone": zone if calendar.zone_of(zone) else None,
    }
    return {name: str(value) for name, value in told.items() if value}


def registered(state: State) -> Facts:
    """There is an account and an address by now, and there was not before."""
    return _registered(state, state.person, signed_up=False)


def _person(before: Person, after: Person) -> Facts:
    return () if before == after else (facts.PersonChanged(after),)


def _registered(state: State, person: Person, *, signed_up: bool) -> Facts:
    account = state.signed_up or signed_up
    new = account and person.email and state.registered_at is None
    return (facts.Registered(),) if new else ()


def signed_up(told: Told, event: events.SignedUp) -> Facts:
    before = told.state.person
    after = replace(
        before,
        email=before.email or event.email or "",
        first_name=before.first_name or event.first_name or "",
        last_name=before.last_name or event.last_name or "",
    )
    opened = () if told.state.signed_up else (facts.SignedUp(),)
    registered = _registered(told.state, after, signed_up=True)
    return (*_person(before, after), *opened, *registered)


def email_changed(told: Told, event: events.EmailChanged) -> Facts:
    before = told.state.person
    after = replace(before, email=event.new_email)
    change = matters.AddressChange(event.old_email, event.new_email, told.occurred)
    return (
        *_person(before, after),
        *_registered(told.state, after, signed_up=False),
        facts.Raised("Email Changed", told.occurred, change),
    )


def closed(told: Told, _event: events.AccountDeleted) -> Facts:
    return () if told.state.closed_at is not None else (facts.AccountClosed(),)


def consent(_told: Told, event: events.ConsentUpdated) -> Facts:
    granted = event.state == "granted"
    return (facts.ConsentChanged(event.purpose, granted, event.source or ""),)


# A month of the calendar has no fixed length; thirty days keep "any window" exact.
_FREQUENCIES: Final = {
    "daily": Wish(7, WEEK),
    "weekly": Wish(1, WEEK),
    "monthly": Wish(1, days(30)),
    "never": Wish(0, WEEK),
    "off": Wish(0, WEEK),
}


def preferred(told: Told, event: events.PreferenceUpdated) -> Facts:
    frequency = event.frequency
    if isinstance(frequency, int):
        wish: Wish | None = Wish(frequency, WEEK)
    else:
        wish = _FREQUENCIES.get((frequency or "").strip().casefold())
    made: list[facts.AnyFact] = []
    if wish is not None and wish != told.state.wish:
        made.append(facts.FrequencyWished(wish))
    if event.topics or event.digest:
        made.append(facts.TopicsChosen(dict(event.topics), dict(event.digest)))
    return tuple(made)
