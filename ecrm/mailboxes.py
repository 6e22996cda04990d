"""Mailboxes: what follows from what came back, and who may be written to (delivery §1.6).

The rules are those of `ecrm.delivery.hygiene`; here they meet a customer. A refusal at the door of
the other server and a bounce an hour later are the same news and have the same consequence. What
only claims to be about a mail of ours is written down and has none. A complaint about advertising,
or one from the address that is the customer's own, takes the consent back as well: then what
waits in the queue is retracted, and the programmes hear of it. Whoever complains from another
address (a friend who was invited, a party of a ticket) speaks for that address alone.
"""

from __future__ import annotations

import re
from typing import Final

from ecrm import consent, facts, messages
from ecrm.delivery import hygiene
from ecrm.delivery.bounces import verdict
from ecrm.delivery.bounces.verdict import Finding, Verdict
from ecrm.delivery.hygiene import Record
from ecrm.delivery.webhooks import event
from ecrm.mail import MARKETING, MailClass
from ecrm.moment import NEVER, Instant, format_instant
from ecrm.state import Ban, Mailbox, State, mailbox_name

Facts = tuple[facts.AnyFact, ...]

# The answer of the other server, with the place in the conversation before it.
_SPOKEN: Final = re.compile(r"(?:rcpt|data|dot): [45]\d\d\b")
# An answer that nobody wrote, or a mail still on its way, says nothing about anybody.
SILENT: Final[frozenset[Verdict]] = frozenset(("auto_reply", "deferred"))


def told(state: State, word: messages.Returned | messages.Free, now: Instant) -> Facts:
    """The facts of a word about an address."""
    if isinstance(word, messages.Free):
        return (facts.AddressFreed(now, word.address, word.why),)
    return _returned(state, word, now)


def _returned(state: State, word: messages.Returned, now: Instant) -> Facts:
    """The facts of what came back; none where it changes nothing and nobody needs to know."""
    follows = _consequences(state, word, word.verdict, now) if word.proved else ()
    if word.verdict in SILENT or (word.verdict == "delivered" and not follows):
        return ()
    if word.proved and word.verdict in ("complaint", "unsubscribed"):
        follows = (*follows, *_denied(state, word))
    came = facts.Returned(
        at=now,
        mail_id=word.mail_id,
        address=word.address,
        verdict=word.verdict,
        reason=word.reason,
        response=word.response,
        source=word.source,
        kind=word.kind,
        programme=word.programme,
        proved=word.proved,
    )
    return (came, *follows)


def refused(state: State, report: messages.Report, now: Instant) -> Facts:
    """What follows from the refusal of a mail, behind `Heard`."""
    finding = finding_of(report)
    if finding is None:
        return ()
    return _consequences(state, report, finding.verdict, now)


def finding_of(report: messages.Report) -> Finding | None:
    """What a refusal says about the address, by the table that bounces are read with; None where it
    says nothing. Of what the conversation has told and what its words tell, the milder.
    """
    if not report.address or report.outcome not in ("dead", "expired"):
        return None
    spoken = _SPOKEN.match(report.response) is not None
    match report.bounce:
        case "hard" | "soft" | "block" as bounce:
            heard = Finding(bounce, "refused")
            # What an API tells is not the server's own word: it speaks of spam in any refusal.
            return event.weighed(heard, report.response) if spoken else heard
        case _ if spoken and report.outcome == "dead":
            # The server gave a reason that the conversation had no use for.
            own = verdict.judge(report.response)
            return None if own is verdict.UNKNOWN else own
        case _:
            return None


def _denied(state: State, word: messages.Returned) -> Facts:
    """What a complaint takes back; to repeat it takes nothing back."""
    own = word.marketing or mailbox_name(word.address) == mailbox_name(state.person.email)
    known = state.consents.get(consent.MARKETING_PURPOSE)
    if not own or (known is not None and not known.granted):
        return ()
    source = f"{word.verdict}/{word.source}"
    return (facts.ConsentChanged(consent.MARKETING_PURPOSE, granted=False, source=source),)


def _consequences(
    state: State, about: messages.Returned | messages.Report, came: Verdict, now: Instant
) -> Facts:
    address = about.address
    box = state.mailboxes.get(mailbox_name(address)) or Mailbox(at=now)
    outcome = hygiene.after(_row(box, about.mail_id, now), came, now)
    made: list[facts.AnyFact] = []
    if outcome.record != box.record:
        made.append(facts.AddressJudged(address, outcome.record, about.mail_id))
    ban = outcome.suppression
    known = None if ban is None else _bans(state, address, now).get(ban.scope)
    if ban is not None and (known is None or known.until < ban.until):
        made.append(facts.AddressSuppressed(address, ban.scope, ban.reason, ban.until))
    return tuple(made)


def _row(box: Mailbox, mail_id: str, now: Instant) -> Record:
    """The row of soft bounces as it stands: a mail that was taken and has not come back by now was
    delivered, though SMTP never says so.
    """
    pending = not box.taken_id or box.taken_id == mail_id or now - box.taken_at < hygiene.SETTLED
    return box.record if pending else hygiene.after(box.record, "delivered", box.taken_at).record


def _bans(state: State, address: str, now: Instant) -> dict[str, Ban]:
    """What an address is not written to with, now."""
    box = state.mailboxes.get(mailbox_name(address))
    bans = {} if box is None else box.bans
    return {scope: ban for scope, ban in bans.items() if ban.until > now}


def objection(
    state: State, address: str, mail_class: MailClass, now: Instant, *, stranger: bool = False
) -> str:
    """Why such a mail does not go to this address; empty where it may."""
    bans = _bans(state, address, now)
    wanted = ("all", "marketing") if mail_class == MARKETING or stranger else ("all",)
    ban = next((bans[scope] for scope in wanted if scope in bans), None)
    if ban is None:
        return ""
    until = "" if ban.until == NEVER else f" until {format_instant(ban.until)}"
    return f"{address} is not written to{until}: {ban.reason}"
