"""What changes what is known of addresses, by what came back from them."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ecrm import facts
from ecrm.changes.bounds import Changes, newest
from ecrm.delivery.hygiene import CLEAN
from ecrm.moment import Instant
from ecrm.state import MAILBOXES_KEPT, Ban, Mailbox, State, mailbox_name


def _with(state: State, address: str, **changes: Any) -> Changes:
    name = mailbox_name(address)
    known = state.mailboxes.get(name) or Mailbox(at=state.now)
    boxes = {**state.mailboxes, name: replace(known, at=state.now, **changes)}
    return {"mailboxes": newest(boxes, MAILBOXES_KEPT, _at)}


def _at(box: Mailbox) -> Instant:
    return box.at


def _without(state: State, address: str) -> Changes:
    name = mailbox_name(address)
    return {"mailboxes": {one: box for one, box in state.mailboxes.items() if one != name}}


def judged(state: State, fact: facts.AddressJudged) -> Changes:
    known = state.mailboxes.get(mailbox_name(fact.address)) or Mailbox(at=state.now)
    if fact.record == CLEAN and not known.bans:
        return _without(state, fact.address)
    came_back = known.taken_id == fact.mail_id or fact.record.since > known.taken_at
    if known.taken_id and not came_back:
        return _with(state, fact.address, record=fact.record)
    return _with(state, fact.address, record=fact.record, taken_id="", taken_at=Instant(0))


def taken(state: State, address: str, fact: facts.Heard) -> Changes:
    """A server has taken a mail for an address of which others came back."""
    known = state.mailboxes.get(mailbox_name(address))
    if known is None or not known.record.soft or known.taken_id:
        return {}
    return _with(state, address, taken_id=fact.mail_id, taken_at=fact.at)


def suppressed(state: State, fact: facts.AddressSuppressed) -> Changes:
    known = state.mailboxes.get(mailbox_name(fact.address))
    bans = {} if known is None else known.bans
    return _with(state, fact.address, bans={**bans, fact.scope: Ban(fact.reason, fact.until)})


def freed(state: State, fact: facts.AddressFreed) -> Changes:
    return {"now": max(state.now, fact.at)} | _without(state, fact.address)
