"""The post room: what an operator sees of the queue, and does to it (delivery §1.6, wire §4).

What stops mails says what it waited for: `pause` and `drain` answer when nothing is in hand any
more. A mail is shown as it went out while its bytes are there, in the store or in the Maildir; once
they are not it is built again, which is said. No secret is shown, not even of a mail that waits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from actors.asked import Op, Plain, Refused, Request
from actors.clock import Clock
from actors.compose import Composer
from actors.delivery import Delivery
from actors.gate import Outlook, told
from actors.store import port
from actors.system import System
from ecrm import mail, matters, moment
from ecrm.errors import EcrmError
from ecrm.mail import Mail
from ecrm.moment import CustomerId
from ecrm.programme import LANE_AGE

log = structlog.get_logger()

SHOWN: Final = 50
# What a drain is paused by, and ended with.
EVERYTHING: Final = ("all", "")
AGAIN: Final = "again, from the template of today and the values of then"

Kept = Callable[[Mail], Awaitable[bytes | None]]


class PostRoom:
    def __init__(
        self,
        system: System,
        store: port.Store,
        clock: Clock,
        delivery: Delivery,
        composer: Composer,
        kept: Kept | None = None,
    ) -> None:
        """`kept` reads the file of a mail, where the transport writes files."""
        self._system = system
        self._store = store
        self._clock = clock
        self._delivery = delivery
        self._composer = composer
        self._kept = kept
        self.ops: dict[str, Op] = {
            "queue": self._queue,
            "mail": self._mail,
            "pause": self._pause,
            "drain": self._drain,
            "resume": self._resume,
            "requeue": self._requeue,
            "cancel-mail": self._cancel_mail,
        }

    async def counts(self) -> dict[str, int]:
        """How many mails there are, by state."""
        counts: dict[str, int] = {}
        for row in await self._store.queue_counts():
            counts[row.state] = counts.get(row.state, 0) + row.count
        return counts

    async def _queue(self, request: Request) -> Plain:
        customer_id = CustomerId(request.customer) if request.customer else None
        limit = min(request.limit or SHOWN, 500)
        rows = await self._store.queue_rows(request.state, customer_id, limit)
        now, gate = self._clock.now(), self._delivery.gate
        return {
            "counts": await self.counts(),
            "transport": self._delivery.transport,
            "breaker": told(gate.breaker, now),
            **await self._paused(),
            "lanes": await self._lanes(),
            "destinations": [_destination(one) for one in gate.outlook(now)],
            "mails": [_row(row) for row in rows],
        }

    async def _lanes(self) -> list[Plain]:
        """How many mails there are of each lane and state."""
        lanes: dict[int, Plain] = {}
        for row in await self._store.queue_counts():
            lanes.setdefault(row.lane, {"lane": row.lane})[row.state] = row.count
        states = {state for lane in lanes.values() for state in lane} - {"lane"}
        return [
            {"lane": lane, **{state: lanes[lane].get(state, 0) for state in sorted(states)}}
            for lane in sorted(lanes)
        ]

    async def _mail(self, request: Request) -> Plain:
        """The very bytes, or what its template makes today of what it was to show."""
        found = await self._store.register.letter(request.mail) if request.mail else None
        if found is None:
            raise _unknown(request.mail)
        wanted = mail.decode(found.mail)
        body, built = found.body, "as it is sent"
        if found.secret or _is_secret(wanted):
            body, built = None, f"{AGAIN}; its secret is not shown"
        elif body is None and self._kept is not None:
            body, built = await self._kept(wanted), "as it lies in the Maildir"
            if body is None:
                built = f"{AGAIN}: its file is not in the Maildir any more"
        elif body is None:
            built = AGAIN
        if body is None:
            try:
                body = self._composer.compose(wanted).bytes
            except EcrmError as error:
                raise Refused("unreadable", f"it cannot be built again: {error}") from None
        return {
            "mail": wanted.mail_id,
            "customer": wanted.customer_id,
            "to": wanted.to,
            "kind": wanted.kind,
            "template": wanted.template,
            "state": found.state,
            "built": built,
            "message": body.decode("utf-8", "replace").replace("\r\n", "\n"),
        }

    async def _pause(self, request: Request) -> Plain:
        """Let no mail leave that this names; what is in hand is finished first."""
        known = {
            "all": [""],
            "lane": ["0", "1", "2", "3"],
            "programme": list(self._system.rules.programmes),
            "transport": [self._delivery.transport],
        }.get(request.scope)
        if known is not None and request.name not in known:
            raise Refused("invalid", f"{request.scope} is one of: {', '.join(known) or 'all'}")
        row = port.PauseRow(
            request.scope, request.name.casefold(), request.reason, self._clock.now()
        )
        await self._delivery.pause(row)
        await self._delivery.drained()
        log.warning("paused", scope=row.scope, name=row.name, reason=row.reason)
        return await self._paused()

    async def _drain(self, request: Request) -> Plain:
        """Claim nothing more and finish what is in hand: for a service about to be moved. It stays
        so, also after a restart, until `resume all`.
        """
        scope, name = EVERYTHING
        reason = request.reason or "drained"
        sent, lots = self._delivery.sent, self._delivery.in_hand
        await self._delivery.pause(port.PauseRow("all", name, reason, self._clock.now()))
        await self._delivery.drained()
        log.warning("drained", lots=lots, reason=reason)
        return {
            "in_hand": self._delivery.in_hand,
            "finished": lots,
            "sent": self._delivery.sent - sent,
            "queue": await self.counts(),
            "ends": f"resume {scope}",
            **await self._paused(),
        }

    async def _resume(self, request: Request) -> Plain:
        if not await self._delivery.resume(request.scope, request.name.casefold()):
            raise Refused("invalid", f"{request.scope} {request.name}".rstrip() + " is not paused")
        log.warning("resumed", scope=request.scope, name=request.name)
        return await self._paused()

    async def _paused(self) -> Plain:
        rows = await self._store.pauses()
        return {
            "paused": [
                {
                    "scope": row.scope,
                    "name": row.name,
                    "reason": row.reason,
                    "since": moment.format_instant(row.at),
                }
                for row in rows
            ]
        }

    async def _requeue(self, request: Request) -> Plain:
        """Give a mail that was given up another chance, for as long as its lane allows."""
        wanted = await self._wanted(request)
        now = self._clock.now()
        until = moment.later(now, LANE_AGE[wanted.lane])
        if not await self._store.requeue(wanted.mail_id, now, until):
            raise Refused(
                "invalid", "only a mail that is dead or expired, and tells no secret, goes again"
            )
        self._delivery.bell.expect(now)
        log.warning("requeued", mail=wanted.mail_id)
        return {"mail": wanted.mail_id, "state": "queued", "until": moment.format_instant(until)}

    async def _cancel_mail(self, request: Request) -> Plain:
        """Take a mail that still waits out of the queue; its customer hears of it."""
        wanted = await self._wanted(request)
        why = request.reason or "cancelled by an operator"
        await self._store.commit(port.Commit(cancels=[(wanted.mail_id, why)]))
        if self._system.reports is not None:
            self._system.reports.expect(self._clock.now())
        found = await self._store.register.letter(wanted.mail_id)
        if found is None:
            raise _unknown(request.mail)
        log.warning("cancelled", mail=wanted.mail_id, state=found.state)
        return {"mail": wanted.mail_id, "state": found.state}

    async def _wanted(self, request: Request) -> Mail:
        row = await self._store.mail(request.mail) if request.mail else None
        if row is None:
            raise _unknown(request.mail)
        return mail.decode(row)


def _unknown(mail_id: str) -> Refused:
    return Refused("unknown_mail", f"there is no mail {mail_id!r}: `queue` lists them")


def _is_secret(wanted: Mail) -> bool:
    """Whether it told a secret, also where nothing of that is kept: its file may hold it still."""
    shown = [getattr(wanted.values, name) for name in matters.NAMES.values()]
    return any(one is not None and matters.is_secret(one) for one in shown)


def _destination(one: Outlook) -> Plain:
    return {
        "name": one.name,
        "per second": one.per_second,
        "pace": f"{one.pace / 10:g} %",
        "connections": one.connections,
        "in hand": one.in_hand,
        "failures": one.failures,
        "rests until": "" if one.rests_until is None else moment.format_instant(one.rests_until),
    }


def _row(row: port.QueueRow) -> Plain:
    return {
        "mail": row.mail_id,
        "customer": row.customer_id,
        "kind": row.kind,
        "programme": f"{row.programme}/{row.step}",
        "lane": row.lane,
        "state": row.state,
        "at": moment.format_instant(row.at),
        "due": moment.format_instant(row.due),
        "attempts": row.attempts,
        "response": row.response,
    }
