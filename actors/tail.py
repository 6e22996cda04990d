"""Tails: the turns of the service as they are taken, for an operator who watches (wire §4).

A tail is told of a turn once that is durable, in the turn loop's own task. So it does little there:
it looks whether the turn is one of those wanted, and puts it by. Words are made of it, and sent, in
a task of the conversation. Rules:

- The turn loop never waits for a tail. What is put by is bounded, and so is what is passed on each
  second; what is beyond that is dropped, counted, and the count is said.
- A frame that has begun is sent to its end: a tail is ended between two of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, get_args

import msgspec
import trio

from actors.asked import Plain, Refused, Request
from actors.clock import Clock
from actors.store import port
from actors.system import System
from ecrm import customer, explain, facts, moment
from ecrm.moment import CustomerId, Instant

# Turns passed on each second where the request does not say: what a person can follow.
RATE: Final = 20
FASTEST: Final = 500
# Turns put by for a connection that does not take them: seconds of the usual rate.
WAITING: Final = 256
# Tails of one conversation.
AT_ONCE: Final = 4
# Seconds between two counts.
COUNTED: Final = 1.0

OUTCOMES: Final = ("mail", "withheld", "failed", "quiet")
REASONS: Final = get_args(facts.Reason)

Say = Callable[[Plain], Awaitable[None]]
Turned = tuple[Instant, CustomerId, customer.Facts, str]


class Tail:
    """One tail. `turns` were taken since it began, `matched` of them were wanted, `dropped` of
    these were not passed on.
    """

    def __init__(self, request: Request, clock: Clock, say: Say) -> None:
        self.turns = self.matched = self.dropped = 0
        self._request = request
        self._rate = request.rate or RATE
        self._clock = clock
        self._say = say
        self._waiting: deque[Turned] = deque()
        self._rung = trio.Event()
        self._ended = False
        self._second = self._spent = self._passed = 0
        # Is a count due as soon as anything happens? Else its instant is waited for already.
        self._is_still = True
        self._is_filtered = bool(
            request.customer or request.name or request.programme or request.outcome
        )
        self._counted_at = trio.current_time()

    @property
    def counts(self) -> Plain:
        return {"turns": self.turns, "matched": self.matched, "dropped": self.dropped}

    def watch(self, turns: list[tuple[CustomerId, customer.Facts]]) -> None:
        """These turns were taken. Asked in the turn loop's task: it only looks who is wanted, and
        puts by as many of them as may be passed on.
        """
        self.turns += len(turns)
        if self._is_filtered:
            turns = [one for one in turns if wants(self._request, *one)]
        self.matched += len(turns)
        at = self._clock.now()
        for customer_id, made in turns[: self._room()]:
            self._put_by((at, customer_id, made, ""))
        self.dropped = self.matched - self._passed
        if self._waiting or self._is_still:
            self._rung.set()

    def mourn(self, row: port.QuarantineRow) -> None:
        """A turn failed."""
        self.turns += 1
        if wants(self._request, row.customer_id, ()):
            self.matched += 1
            if self._room():
                error = row.traceback.strip().rpartition("\n")[2]
                self._put_by((self._clock.now(), row.customer_id, (), error))
            self.dropped = self.matched - self._passed
        self._rung.set()

    def _room(self) -> int:
        """How many more turns may be put by in this second."""
        second = int(trio.current_time())
        if second != self._second:
            self._second, self._spent = second, 0
        return max(0, min(self._rate - self._spent, WAITING - len(self._waiting)))

    def _put_by(self, turn: Turned) -> None:
        self._spent += 1
        self._passed += 1
        self._waiting.append(turn)

    def end(self) -> None:
        self._ended = True
        self._rung.set()

    async def run(self) -> None:
        """Pass on what was put by, and once a second, where there was any turn, the counts."""
        said = await self._count(0)
        due = trio.current_time() + COUNTED
        while not self._ended:
            self._is_still = self.turns == said
            with trio.CancelScope(deadline=float("inf") if self._is_still else due):
                await self._rung.wait()
            if self._rung.is_set():
                self._rung = trio.Event()
            while self._waiting and not self._ended:
                await self._say({"type": "turn", **_told(*self._waiting.popleft())})
            if self.turns != said and trio.current_time() >= due and not self._ended:
                said = await self._count(said)
                due = trio.current_time() + COUNTED

    async def _count(self, said: int) -> int:
        """Say how many turns there were, and how many a second since `said` were."""
        turns, now = self.turns, trio.current_time()
        rate = round((turns - said) / max(now - self._counted_at, COUNTED), 1)
        self._counted_at = now
        at = moment.format_instant(self._clock.now())
        await self._say({"type": "counts", "at": at, "per_second": rate, **self.counts})
        return turns


class Tails:
    """The tails of one conversation; `nursery` is the conversation's, `say` sends one frame."""

    def __init__(self, system: System, clock: Clock, nursery: trio.Nursery, say: Say) -> None:
        self._system = system
        self._clock = clock
        self._nursery = nursery
        self._say = say
        self._tails: dict[int | str, Tail] = {}

    def begin(self, request: Request) -> None:
        """Raises Refused."""
        if request.id in self._tails:
            raise Refused("invalid", f"{request.id} is running already: cancel it first")
        if len(self._tails) >= AT_ONCE:
            raise Refused("limited", f"{AT_ONCE} tails at once are enough: cancel one")
        _check(request, list(self._system.rules.programmes))

        async def say(event: Plain) -> None:
            await self._say({"id": request.id, "event": event})

        tail = self._tails[request.id] = Tail(request, self._clock, say)
        self._nursery.start_soon(self._run, tail)

    async def _run(self, tail: Tail) -> None:
        self._system.onlookers.append(tail.watch)
        self._system.mourners.append(tail.mourn)
        try:
            await tail.run()
        finally:
            self._system.onlookers.remove(tail.watch)
            self._system.mourners.remove(tail.mourn)

    def cancel(self, request: Request) -> Plain:
        """End a tail; the last it says is what it counted. Raises Refused."""
        tail = self._tails.pop(request.id, None)
        if tail is None:
            raise Refused("invalid", f"nothing runs under {request.id}")
        tail.end()
        return tail.counts


def _check(request: Request, programmes: list[str]) -> None:
    if request.programme and request.programme not in programmes:
        known = ", ".join(programmes)
        raise Refused("invalid", f"no programme {request.programme!r}; there are {known}")
    if request.outcome and request.outcome not in OUTCOMES + REASONS:
        known = ", ".join(OUTCOMES + REASONS)
        raise Refused("invalid", f"no outcome {request.outcome!r}; there are {known}")
    if request.rate is not None and not 0 < request.rate <= FASTEST:
        raise Refused("invalid", f"a rate is a number of turns a second, from 1 to {FASTEST}")


def wants(request: Request, customer_id: CustomerId, made: customer.Facts) -> bool:
    """Whether a turn is one that this tail is about: all that it names must hold. A turn without
    facts is one that failed.
    """
    if request.customer and request.customer != customer_id:
        return False
    # An event is the first fact of its turn.
    if request.name and not (made and _is_called(made[0], request.name)):
        return False
    if request.programme and not _moves(made, request.programme):
        return False
    return not request.outcome or _came_to(made, request.outcome)


# Where each sort of fact names its programme, or the key of a stay that begins with its name.
_NAMED: Final = {
    kind: "programme" if "programme" in kind.__struct_fields__ else "key"
    for kind in get_args(facts.AnyFact)
    if {"programme", "key"} & set(kind.__struct_fields__)
}


def _moves(made: customer.Facts, programme: str) -> bool:
    """What `programmes_of` says, of one programme: asked of every turn there is."""
    for fact in made:
        field = _NAMED.get(type(fact))
        if field is not None and getattr(fact, field).partition("/")[0] == programme:
            return True
    return False


def _came_to(made: customer.Facts, outcome: str) -> bool:
    """What `outcomes_of` says, of one outcome: asked of every turn there is."""
    if not made:
        return outcome == "failed"
    quiet = True
    for fact in made:
        if isinstance(fact, facts.MailRequested):
            came = outcome == "mail"
        elif isinstance(fact, facts.MailWithheld):
            came = outcome in ("withheld", fact.reason)
        elif isinstance(fact, facts.MailDeferred | facts.Left):
            came = outcome == fact.reason
        else:
            continue
        if came:
            return True
        quiet = False
    return quiet and outcome == "quiet"


def _is_called(fact: facts.AnyFact, name: str) -> bool:
    return isinstance(fact, facts.Happened) and fact.event.casefold() == name.casefold()


def programmes_of(made: customer.Facts) -> list[str]:
    """The programmes that a turn moved, in order. A stay's key begins with its programme's name."""
    found: dict[str, None] = {}
    for fact in made:
        name = getattr(fact, "programme", "") or getattr(fact, "key", "")
        if isinstance(name, str) and name:
            found[name.partition("/")[0]] = None
    return list(found)


def outcomes_of(made: customer.Facts) -> list[str]:
    """What came of a turn, in the words of `OUTCOMES`, and the reasons of what did not."""
    if not made:
        return ["failed"]
    found: dict[str, None] = {}
    for fact in made:
        match fact:
            case facts.MailRequested():
                found["mail"] = None
            case facts.MailWithheld(reason=reason):
                found |= {"withheld": None, reason: None}
            case facts.MailDeferred(reason=reason) | facts.Left(reason=reason):
                found[reason] = None
            case _:
                pass
    return list(found) or ["quiet"]


def _told(at: Instant, customer_id: CustomerId, made: customer.Facts, error: str) -> Plain:
    first = made[0] if made else None
    turn: Plain = {
        "at": moment.format_instant(getattr(first, "at", at)),
        "customer": customer_id,
        "event": first.event if isinstance(first, facts.Happened) else "",
        "programmes": programmes_of(made),
        "outcome": outcomes_of(made),
        "facts": [explain.sentence(fact) for fact in made],
    }
    return {**turn, "error": error} if error else turn


def encoded(value: Plain) -> str:
    """A frame of the console's conversation."""
    return msgspec.json.encode(value).decode()
