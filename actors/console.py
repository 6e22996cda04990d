"""The console: operators ask, the running service answers (wire §4, R93).

One JSON request a frame, one answer; nothing is said before a `hello` with an operator key. An op
is a function from its request to plain values; those about the queue are in `actors/postroom.py`,
those about who is held or sought in `actors/ward.py`, those that explain and foresee in
`actors/insight.py`, the programmes and their numbers in `actors/playbook.py`. Live turns are not
answered but streamed, by `actors/tail.py`. What changes anything is noted once it is done, with the
id of the key that it was asked for with.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, get_args

import msgspec
import structlog
import trio

from actors import condition
from actors.asked import STATES, Op, Plain, Refused, Request
from actors.census import Census
from actors.clock import Clock, WarpClock
from actors.figures import Figures
from actors.gateway import HELLO_WITHIN
from actors.ledger import SITE
from actors.line import CLOSE_WITHIN, Line
from actors.numbers import TIER
from actors.postroom import PostRoom
from actors.returns import Returns
from actors.store import port
from actors.system import System
from actors.tail import Tails, encoded
from actors.telling import Telling
from actors.travel import present
from actors.ward import Ward
from actors.why import Unknown, why
from ecrm import explain, facts, moment
from ecrm.engagement import Tier
from ecrm.explain import difference
from ecrm.moment import CustomerId
from ecrm.state import State
from proto import permissions, session

log = structlog.get_logger()

JOURNAL_SHOWN: Final = 20
# Nobody counts farther: so many alarms that are due are a trouble whatever their number.
DUE_SHOWN: Final = 1_000
# Every day on the way is lived through: farther than this, the answer would not come for long.
FARTHEST_PUSH: Final = moment.days(400)

# What changes something is remembered with the key that it was asked for with.
NOTED: Final = frozenset(
    (
        "pause",
        "drain",
        "resume",
        "requeue",
        "cancel-mail",
        "release",
        "unsuppress",
        "relearn",
        "send",
        "clock",
        "add-key",
        "revoke-key",
    )
)

# What begins a stream and ends it.
STREAMED: Final = ("tail", "cancel")

_hello = msgspec.json.Decoder(dict[str, object])
_request = msgspec.json.Decoder(Request)


class Console:
    def __init__(
        self,
        system: System,
        store: port.Store,
        clock: Clock,
        postroom: PostRoom,
        census: Census,
        returns: Returns,
        figures: Figures,
    ) -> None:
        self._system = system
        self._store = store
        self._clock = clock
        self._census = census
        self._returns = returns
        self._figures = figures
        self._started = clock.now()
        self.ops: dict[str, Op] = {
            "status": self._status,
            "inspect": self._inspect,
            "journal": self._journal,
            "timers": self._timers,
            "why": self._why,
            "satisfaction": self._satisfaction,
            "unsuppress": self._unsuppress,
            "relearn": self._relearn,
            "clock": self._advance,
            **postroom.ops,
            **Ward(system, store).ops,
            **Telling(system, clock).ops,
        }

    async def converse(self, line: Line) -> None:
        """Hold one operator's conversation to its end."""
        websocket = line.websocket
        key_id = ""
        with trio.move_on_after(HELLO_WITHIN) as waiting:
            key_id = await self._welcome(line)
        if waiting.cancelled_caught or not key_id:
            error = {"type": "error", "code": "unauthorized"}
            error["reason"] = "say hello with an operator key first"
            await websocket.send_message(msgspec.json.encode(error).decode())
            with trio.move_on_after(CLOSE_WITHIN):
                await websocket.aclose(4401, "unauthorized")
            return

        async def say(frame: Plain) -> None:
            await websocket.send_message(encoded(frame))

        async with trio.open_nursery() as nursery:
            tails = Tails(self._system, self._clock, nursery, say)
            while True:
                frame = await websocket.get_message()
                with line.speaking():
                    streamed = _streamed(frame)
                    if streamed is None:
                        await say(await self.answer(frame, key_id))
                    elif (answer := _follow(streamed, tails)) is not None:
                        await say(answer)

    async def _welcome(self, line: Line) -> str:
        """The id of the operator's key; empty for anybody else."""
        try:
            hello = _hello.decode(await line.websocket.get_message())
        except msgspec.MsgspecError:
            return ""
        grant = line.admit(str(hello.get("key", "")))
        if not isinstance(grant, session.Grant) or not permissions.RIGHTS[grant.kind].console:
            return ""
        now = moment.format_instant(self._clock.now())
        welcome = {"type": "welcome", "session": grant.key_id, "serverTime": now}
        await line.websocket.send_message(msgspec.json.encode(welcome).decode())
        return grant.key_id

    async def answer(self, frame: str | bytes, key_id: str = "") -> Plain:
        """The answer to one request: its result, or an error that says what to do."""
        try:
            request = _request.decode(frame)
        except msgspec.MsgspecError as error:
            hint = f"; a state is one of {STATES}" if "$.state" in str(error) else ""
            return _error(None, "invalid", f"no request: {error}{hint}")
        op = self.ops.get(request.op)
        if op is None:
            known = ", ".join((*self.ops, *STREAMED))
            return _error(request.id, "unknown_op", f"no op {request.op!r}; there are {known}")
        try:
            result = await op(request)
        except Refused as refused:
            return _error(request.id, refused.code, str(refused))
        if request.op in NOTED and (request.op != "clock" or request.advance):
            noted = port.OperationRow(
                self._clock.now(), key_id, request.op, request.about, request.reason
            )
            await self._store.register.note(noted)
        return {"id": request.id, "ok": True, "result": result}

    async def _status(self, _request: Request) -> Plain:
        size, read = await self._store.size(), await self._figures.read()
        stands = await self._store.numbers.stands()
        return {
            "now": moment.format_instant(read.at),
            "since": moment.format_instant(self._started),
            "warp": isinstance(self._clock, WarpClock),
            "customers": size.customers,
            "active": read.active,
            "slots": condition.slots(read, size.customers),
            "events": size.events,
            "facts": size.facts,
            "alarms": size.alarms,
            "quarantined": size.quarantined,
            "held": size.held,
            "turns": read.meter.turns.count,
            "commits": read.meter.commits.count,
            "answers": {name: count for name, count in read.meter.answers.items() if count},
            "rejects": dict(read.refusals),
            "intake": {
                "waiting": read.waiting,
                "bytes": read.waiting_bytes,
                "refused": read.refused,
            },
            "connections": read.connections,
            "due": len(await self._store.due(read.at, DUE_SHOWN)),
            "overdue": moment.format_duration(read.overdue),
            "loop_lag_ms": round(read.late * 1_000),
            **condition.house(read),
            "queue": read.by_state,
            **condition.mails(read),
            "sent": read.tally.accepted,
            "resting": read.resting,
            "unready": await self._figures.unready(),
            "products": len(self._system.catalogue),
            "tiers": {tier: stands.get((TIER, tier), 0) for tier in get_args(Tier)},
            "all_counted": await self._store.numbers.whole(),
            **self._returns.status,
        }

    async def _state(self, request: Request) -> State:
        if not request.customer:
            raise Refused("missing", "name a customer: inspect c42")
        return await present(self._store, CustomerId(request.customer))

    async def _inspect(self, request: Request) -> Plain:
        state = await self._state(request)
        turns = await self._store.journal(state.customer_id, before=None, limit=JOURNAL_SHOWN)
        return {
            "customer": state.customer_id,
            "state": difference.plain(state),
            "timers": _timers(state),
            "journal": [_turn(row, request) for row in turns],
        }

    async def _journal(self, request: Request) -> Plain:
        state = await self._state(request)
        before = None if request.before is None else moment.Seq(request.before)
        limit = min(request.limit or JOURNAL_SHOWN, 500)
        rows = await self._store.journal(state.customer_id, before=before, limit=limit)
        return {"customer": state.customer_id, "journal": [_turn(row, request) for row in rows]}

    async def _timers(self, request: Request) -> Plain:
        state = await self._state(request)
        return {"customer": state.customer_id, "timers": _timers(state)}

    async def _why(self, request: Request) -> Plain:
        if not request.mail:
            raise Refused("missing", "name a mail: why 01890a5d-ac96-…")
        try:
            found = await why(self._store, self._system.rules.programmes, request.mail)
        except Unknown as unknown:
            raise Refused("unknown_mail", str(unknown)) from None
        answer: Plain = msgspec.to_builtins(found)
        answer["over"] = list(found.over)
        answer["story"] = [{"at": at, "what": what} for at, what in found.story]
        return answer

    async def _unsuppress(self, request: Request) -> Plain:
        """Let an address be written to again: the customer's own, or another that it names."""
        state = await self._state(request)
        address = request.name or state.person.email
        if not address:
            raise Refused("missing", "there is no address of this customer: name one")
        answer = await self._returns.free(state.customer_id, address, request.reason)
        if answer.outcome != "taken":
            raise Refused(answer.outcome, answer.reason or "it was not taken: try again")
        log.warning("unsuppressed", customer=state.customer_id, reason=request.reason)
        return {"customer": state.customer_id, "address": address, "suppressed": "no"}

    async def _satisfaction(self, request: Request) -> Plain:
        """Site ratings by the week in which the parcel left (R39, R82); or another survey's."""
        survey = request.survey or SITE
        weeks: dict[str, Counter[int]] = {}
        for week, score, count in await self._store.ratings(survey):
            weeks.setdefault(week, Counter())[score] += count
        return {
            "survey": survey,
            "weeks": [
                {
                    "week": week,
                    "answers": scores.total(),
                    "average": round(sum(s * n for s, n in scores.items()) / scores.total(), 2),
                    "scores": {str(score): count for score, count in sorted(scores.items())},
                }
                for week, scores in weeks.items()
            ],
        }

    async def _relearn(self, _request: Request) -> Plain:
        """What is bought together, learnt anew from all orders: live ones wait for nothing."""
        return {"orders": await self._census.relearn()}

    async def _advance(self, request: Request) -> Plain:
        clock = self._clock
        if not request.advance:
            return {"now": moment.format_instant(clock.now())}
        if not isinstance(clock, WarpClock):
            raise Refused("no_warp", "the clock is the wall's: start with serve --warp to push it")
        try:
            span = moment.parse_duration(request.advance)
        except ValueError as error:
            raise Refused("invalid", str(error)) from None
        if span > FARTHEST_PUSH:
            most = moment.format_duration(FARTHEST_PUSH)
            raise Refused("invalid", f"{request.advance} is too far at once: at most {most}")
        await clock.advance(moment.later(clock.now(), span))
        return {"now": moment.format_instant(clock.now())}


def _streamed(frame: str | bytes) -> Request | None:
    """The request, where it begins a stream or ends one."""
    try:
        request = _request.decode(frame)
    except msgspec.MsgspecError:
        return None
    return request if request.op in STREAMED else None


def _follow(request: Request, tails: Tails) -> Plain | None:
    """None where a stream begins; where it ends, what it counted."""
    try:
        if request.op == "tail":
            tails.begin(request)
            return None
        return {"id": request.id, "ok": True, "result": tails.cancel(request)}
    except Refused as refused:
        return _error(request.id, refused.code, str(refused))


def _error(request_id: int | str | None, code: str, reason: str) -> Plain:
    return {"id": request_id, "ok": False, "error": {"code": code, "reason": reason}}


def _timers(state: State) -> list[Plain]:
    found = sorted((due, key) for key, due in state.timers.items())
    return [
        {
            "due": moment.format_instant(due),
            "programme": key,
            "step": state.enrolments[key].step,
        }
        for due, key in found
    ]


def _turn(row: port.JournalRow, request: Request) -> Plain:
    """A turn in sentences; `detailed`, each with the sort of its fact and the mail it is about."""
    made = facts.decode(row.facts)
    told: list[object] = [explain.sentence(fact) for fact in made]
    if request.detailed:
        told = [
            {"fact": type(fact).__name__, "mail": _mail_of(fact), "told": sentence}
            for fact, sentence in zip(made, told, strict=True)
        ]
    return {"seq": row.seq, "at": moment.format_instant(row.at), "facts": told}


def _mail_of(fact: facts.AnyFact) -> str:
    """The id of the mail that a fact is about; empty where it is about none."""
    if isinstance(fact, facts.MailRequested):
        return fact.mail.mail_id
    return str(getattr(fact, "mail_id", ""))
