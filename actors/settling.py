"""Settling: what becomes of a mail, before it is handed over and after (delivery §1.2 to §1.5).

An answer of the postal world is read by the table (`ecrm/delivery/verdict.py`); here it becomes the
state of a row, and what the gate has to know for the mails behind it. Two rules go before it:

- a mail of marketing that may have been taken is handed over again only under a key by which the
  other side tells it from a second one, and only while it surely knows that key. Whatever else ends
  its waiting, it ends as `accepted_unknown`: of such a mail nobody may say that it was not sent;
- what is owed is handed over again as any other: a receipt twice is a nuisance.
"""

from __future__ import annotations

from typing import Final, assert_never

import structlog

from actors.clock import Clock
from actors.gate import EVERYWHERE, Gate
from actors.store import port
from actors.transports.port import Handed, Transport
from ecrm.delivery import retry, verdict
from ecrm.delivery.verdict import Decision
from ecrm.mail import Lane, Mail
from ecrm.moment import Instant, seconds

log = structlog.get_logger()

# How long a mail waits whose destination asked for patience and did not say how long.
PATIENCE: Final = seconds(30)

# Up to here nobody has looked at a mail: what goes wrong is between us and the server.
_BEFORE_A_MAIL: Final = frozenset(("connect", "banner", "ehlo", "starttls", "tls", "auth"))

# What a transport says that has no replies to read: it works with files.
_PLAIN: Final[dict[str, Decision]] = {
    "accepted": Decision("accepted", "accepted"),
    "retry": Decision("retry", "not taken", burns=True),
    "refused": Decision("dead", "refused", burns=True),
    "in_doubt": Decision("in_doubt", "no answer", burns=True),
}

Fate = tuple[port.OutboxState, Instant | None]


class Settling:
    def __init__(self, clock: Clock, transport: Transport, gate: Gate) -> None:
        self._clock = clock
        self._transport = transport
        self._gate = gate

    def resolved(self, row: port.ClaimedRow, took: bool | None) -> port.Settled:
        """What an earlier life left in the middle; `took` is what the transport says of it."""
        now = self._clock.now()
        state: port.OutboxState = "queued"
        doubted_at = None
        if took:
            state = "accepted"
        elif took is None and row.lane not in retry.RETRIED_IN_DOUBT:
            doubted_at = row.doubted_at
            state = "queued" if now <= self._last_of(row, doubted_at) else "accepted_unknown"
        response = "settled after a restart"
        log.info("mail_resolved", mail=row.mail_id, state=state)
        return port.Settled(row.mail_id, state, response, now, row.attempts, doubted_at=doubted_at)

    def kept_back(
        self, row: port.ClaimedRow, wanted: Mail, unwanted: str, now: Instant
    ) -> port.Settled | None:
        """What becomes of a claimed mail that is not handed over; None: it may go. `unwanted` is
        why its address is not written to, if it is not.
        """
        late = now > self._last_of(row, row.doubted_at)
        if row.doubted_at is not None and (late or unwanted):
            return ended(row, "accepted_unknown", "nobody knows whether it was taken", now)
        if _may_be_stale(row, wanted) and not unwanted:
            late = late or now > (wanted.fresh_until or row.not_after)
            return ended(row, "stale", "too late to go as it was decided", now) if late else None
        if late:
            return ended(row, "expired", "too late to make sense", now)
        return ended(row, "suppressed", unwanted, now) if unwanted else None

    def settled(
        self, row: port.ClaimedRow, wanted: Mail, handed: Handed, since: Instant
    ) -> port.Settled:
        """What became of a mail that was handed over from `since` on."""
        now = self._clock.now()
        decision = _decided(handed, wanted.lane)
        attempts = row.attempts + decision.burns
        doubted_at = row.doubted_at
        if decision.action == "in_doubt" and wanted.lane not in retry.RETRIED_IN_DOUBT:
            doubted_at = doubted_at or since
        state, due = self._outcome(row, wanted, handed, decision, attempts, doubted_at)
        said = log.error if decision.alarm else log.info
        said("mail_handed", mail=row.mail_id, state=state, response=handed.response)
        return port.Settled(
            mail_id=row.mail_id,
            state=state,
            response=handed.response,
            due=now if due is None else due,
            attempts=max(attempts, row.attempts + (decision.action == "accepted")),
            bounce=decision.bounce,
            provider_id=handed.provider_id,
            doubted_at=doubted_at,
        )

    def _outcome(
        self,
        row: port.ClaimedRow,
        wanted: Mail,
        handed: Handed,
        decision: Decision,
        attempts: int,
        doubted_at: Instant | None,
    ) -> Fate:
        """The state that a mail goes into, and when it is tried again if it is."""
        now, gate = self._clock.now(), self._gate
        whom = EVERYWHERE if handed.stage in _BEFORE_A_MAIL else row.domain
        match decision.action:
            case "accepted":
                if gate.taken(row.domain, now):
                    log.info("transport_well", transport=self._transport.name)
                return "accepted", None
            case "dead":
                return "dead", None
            case "in_doubt" | "retry":
                if handed.stage == "http" and handed.retry_after is not None:
                    # The provider speaks for everything that we send it.
                    gate.slow_down(EVERYWHERE, now, handed.retry_after)
                return self._again(row, wanted, handed, decision, attempts, doubted_at)
            case "back_off":
                due = gate.back_off(whom, now)
            case "slow":
                gate.slow_down(whom, now, handed.retry_after)
                due = Instant(now + (handed.retry_after or PATIENCE))
            case "breaker":
                gate.breaker.trip(now, handed.response)
                log.error("transport_broken", transport=self._transport.name, why=handed.response)
                due = gate.breaker.until
            case _:
                assert_never(decision.action)
        if _may_be_stale(row, wanted) and doubted_at is None:
            # Its customer is asked when its turn comes: before that it would only ask again.
            return "queued", due
        return self._back_until(row, due, doubted_at)

    def _again(
        self,
        row: port.ClaimedRow,
        wanted: Mail,
        handed: Handed,
        decision: Decision,
        attempts: int,
        doubted_at: Instant | None,
    ) -> Fate:
        now = self._clock.now()
        if doubted_at is not None:
            wait = handed.retry_after
            due = retry.repeat_at(attempts, row.mail_id, now) if wait is None else now + wait
            return self._back_until(row, Instant(due), doubted_at)
        if verdict.is_spent(decision, attempts):
            return "dead", None
        wait = handed.retry_after or verdict.wait_of(decision, attempts)
        if wait is not None:
            return self._back_until(row, Instant(now + wait), None)
        nth = max(1, attempts)
        again = retry.next_attempt(wanted.lane, nth, row.mail_id, now, row.not_after)
        return ("queued", again) if again is not None else ("expired", None)

    def _back_until(self, row: port.ClaimedRow, due: Instant, doubted_at: Instant | None) -> Fate:
        if due <= self._last_of(row, doubted_at):
            return "queued", due
        return ("expired" if doubted_at is None else "accepted_unknown"), None

    def _last_of(self, row: port.ClaimedRow, doubted_at: Instant | None) -> Instant:
        """The last instant at which this mail may be handed over."""
        if doubted_at is None:
            return row.not_after
        # Before the key's end, so that without a key there is no such instant at all.
        return min(Instant(doubted_at + self._transport.repeatable - 1), row.not_after)


def ended(row: port.ClaimedRow, state: port.OutboxState, why: str, now: Instant) -> port.Settled:
    return port.Settled(row.mail_id, state, why, now, row.attempts)


def _may_be_stale(row: port.ClaimedRow, wanted: Mail) -> bool:
    """Is it decided again if it comes late?"""
    # Whoever queued it again by hand, which gives it more time, wants it as it is.
    by_hand = row.not_after > wanted.not_after
    return wanted.fresh_until is not None and not by_hand


def _decided(handed: Handed, lane: Lane) -> Decision:
    """What an answer means: by the table where there is a reply, as said where there is none."""
    if not handed.stage or handed.verdict in ("accepted", "in_doubt"):
        return _PLAIN[handed.verdict]
    text = handed.response
    return verdict.decide(handed.stage, handed.code, handed.enhanced, text, lane)
