"""The ward: customers as an operator finds them, those that are held, and what made a turn fail.

A customer is looked up by the beginning of its id, or of its address; each is one walk of an index.
"""

from __future__ import annotations

from typing import Final

import msgspec
import structlog
import trio

from actors.asked import Op, Plain, Refused, Request
from actors.intake import Answer
from actors.store import port
from actors.system import System
from ecrm import moment
from ecrm.moment import CustomerId
from proto import record

log = structlog.get_logger()

SHOWN: Final = 50


class Ward:
    def __init__(self, system: System, store: port.Store) -> None:
        self._system = system
        self._store = store
        self.ops: dict[str, Op] = {
            "customers": self._customers,
            "quarantine": self._quarantine,
            "release": self._release,
            "operations": self._operations,
        }

    async def _customers(self, request: Request) -> Plain:
        """Those whose id begins so, page by page, and with the last page those whose address does;
        without a search those with a life, visitors left out.
        """
        limit = min(request.limit or SHOWN, 500)
        register, wanted = self._store.register, request.search
        if wanted:
            by_id = await register.named(wanted, request.after, limit)
        else:
            people = await self._store.people(request.after, limit)
            emails = await register.emails(people)
            by_id = [port.CustomerRow(one, emails.get(one, "")) for one in people]
        found: Plain = {"customers": [_found(row) for row in by_id]}
        if len(by_id) == limit:
            return {**found, "after": by_id[-1].customer_id}
        return found if not wanted else {**found, **await self._addressed(by_id, wanted, limit)}

    async def _addressed(self, by_id: list[port.CustomerRow], wanted: str, limit: int) -> Plain:
        """The last page: those whose address begins so come last, but who was found by id already,
        on whichever page.
        """
        rows = await self._store.register.addressed(wanted.casefold(), limit)
        new = [row for row in rows if not row.customer_id.startswith(wanted)]
        answer: Plain = {"customers": [_found(row) for row in (*by_id, *new)]}
        if len(rows) == limit:
            answer["more"] = f"more addresses than these {limit} begin so: give more of it"
        return answer

    async def _quarantine(self, request: Request) -> Plain:
        """The newest messages on which a turn failed, and the customers who are held; or one."""
        if request.number is not None:
            return await self._failure(request.number)
        rows = await self._store.quarantined(min(request.limit or SHOWN, 500))
        held = await self._store.holds()
        return {
            "quarantine": [_failed(row) for row in rows],
            "held": [
                {
                    "customer": row.customer_id,
                    "since": moment.format_instant(row.at),
                    "reason": row.reason,
                }
                for row in held
            ],
        }

    async def _failure(self, number: int) -> Plain:
        row = await self._store.register.quarantined(number)
        if row is None:
            raise Refused("invalid", f"nothing in quarantine is {number}: `quarantine` lists it")
        try:
            said = record.plain(row.message)
        except msgspec.DecodeError as error:
            raise Refused("unreadable", f"its message cannot be read: {error}") from None
        message = msgspec.json.format(msgspec.json.encode(said), indent=2).decode()
        return {
            **_failed(row),
            "version": row.version,
            "message": message,
            "traceback": row.traceback,
        }

    async def _release(self, request: Request) -> Plain:
        """Let a held customer live on, and look at the clock at once."""
        if not request.customer:
            raise Refused("missing", "name a customer: release c42")
        customer_id = CustomerId(request.customer)
        kept = await self._store.release(customer_id)
        if not (self._system.release(customer_id) or kept):
            raise Refused("invalid", f"{customer_id} is not held: `quarantine` lists who is")
        answer = await self._ticked(customer_id)
        log.warning("released", customer=customer_id, outcome=answer.outcome)
        held = answer.reason if answer.outcome == "held" else ""
        return {"customer": customer_id, "held": held or "no more"}

    async def _ticked(self, customer_id: CustomerId) -> Answer:
        answers: list[Answer] = []
        done = trio.Event()

        def answered(answer: Answer) -> None:
            answers.append(answer)
            done.set()

        self._system.tick(customer_id, answered)
        await done.wait()
        return answers[0]

    async def _operations(self, request: Request) -> Plain:
        """What operators did lately, and with which key."""
        rows = await self._store.register.operations(min(request.limit or SHOWN, 500))
        return {
            "operations": [
                {
                    "at": moment.format_instant(row.at),
                    "key": row.key_id,
                    "op": row.op,
                    "about": row.about,
                    "reason": row.reason,
                }
                for row in rows
            ]
        }


def _found(row: port.CustomerRow) -> Plain:
    return {"customer": row.customer_id, "email": row.email}


def _failed(row: port.QuarantineRow) -> Plain:
    """Its last line says what was raised, the first only that something was."""
    lines = row.traceback.strip().splitlines()
    return {
        "number": row.number,
        "customer": row.customer_id,
        "at": moment.format_instant(row.at),
        "error": lines[-1] if lines else "",
    }
