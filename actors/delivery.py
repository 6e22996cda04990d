"""The delivery actor: takes mails from the outbox, at a limited rate, to the one transport.

A mail goes through the states of `delivery.md` §1.2. What makes it safe:

- rows are leased in the name of this process's epoch; at start every row that another epoch held is
  given back at once, because there is only one delivery actor on a database;
- `submitting` is committed before the byte that can cause acceptance, and it is the one state whose
  outcome a crash leaves open: the transport is asked whether it took the mail, and where it cannot
  tell, the lane decides;
- a mail is built once, stored, and handed over verbatim on every try;
- a mail that was cancelled while it was being built is not among those `submitting` returns.

The gate says what may go now (`actors/gate.py`). Mails are handed over in small lots, several at a
time; of these the last is kept for what is owed (lanes 0 and 1), so that a slow server that holds
all others up never holds up a code.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import trio

from actors.clock import Clock, Nudged
from actors.compose import Composer
from actors.gate import LANES, OPTIONAL, OWED, Gate
from actors.settling import Settling, ended
from actors.store import port
from actors.tally import Tally
from actors.transports.port import Letter, Transport
from ecrm import mail
from ecrm.delivery import suppression
from ecrm.delivery.policy import Policy
from ecrm.mail import Lane, Mail
from ecrm.moment import NEVER, Instant, seconds

log = structlog.get_logger()

# A bucket that will be free again sooner than a restart takes need not be written down.
FORGETTABLE: Final = seconds(1)
# How long a stop waits for the disk to hear what became of the last mails.
SETTLE_WITHIN: Final = 5.0


class Lot:
    """Mails that are handed over together, and the rows they come from."""

    def __init__(self, rows: list[tuple[port.ClaimedRow, Mail]]) -> None:
        self.rows = {row.mail_id: row for row, _ in rows}
        self.mails = {row.mail_id: wanted for row, wanted in rows}


class Delivery:
    def __init__(
        self,
        store: port.Store,
        clock: Clock,
        composer: Composer,
        transport: Transport,
        *,
        epoch: str,
        policy: Policy,
        reports: Nudged,
    ) -> None:
        self.tally = Tally()
        self.policy = policy
        self.gate = Gate(policy, {}, (), transport.name)
        self._settling = Settling(clock, transport, self.gate)
        self._store = store
        self._clock = clock
        self._composer = composer
        self._transport = transport
        self._epoch = epoch
        self._reports = reports
        self._suppressing = b""
        self._lots = 0
        self._emptied = trio.Event()
        self.bell = clock.bell()

    async def run(self) -> None:
        """Deliver until stopped; what is in hand then is finished."""
        saved, pauses = await self._store.limiter_state(), await self._store.pauses()
        self.gate = Gate(self.policy, saved, pauses, self._transport.name)
        self._settling = Settling(self._clock, self._transport, self.gate)
        self._suppressing = await self._store.secret(port.SUPPRESSION)
        await self._resolve()
        async with trio.open_nursery() as hands:
            while not self.bell.stopping:
                if not await self._round(hands):
                    await self.bell.rest(await self._next())
        await self._store.save_limiter(self.gate.state)
        self._clock.dismiss(self.bell)

    @property
    def transport(self) -> str:
        """Its name, by which it can be paused."""
        return self._transport.name

    @property
    def sent(self) -> int:
        """How many mails were accepted."""
        return self.tally.accepted

    @property
    def in_hand(self) -> int:
        """How many lots are being handed over."""
        return self._lots

    async def pause(self, row: port.PauseRow) -> None:
        """Let no mail that this names leave; those in hand are finished."""
        await self._store.pause(row)
        self.gate.pauses[row.scope, row.name] = row

    async def resume(self, scope: port.PauseScope, name: str) -> bool:
        """Let them leave again, at the usual rate. False where they were not paused."""
        self.gate.pauses.pop((scope, name), None)
        self.bell.ring()
        return await self._store.resume(scope, name)

    async def drained(self) -> None:
        """Wait until nothing is in hand."""
        while self._lots:
            self._emptied = trio.Event()
            await self._emptied.wait()

    async def _resolve(self) -> None:
        """Settle what an earlier life left in the middle of being handed over."""
        now = self._clock.now()
        results, mails = [], {}
        for row in await self._store.reclaim(self._epoch):
            mails[row.mail_id] = wanted = mail.decode(row.mail)
            took = await self._transport.took(wanted)
            results.append(self._settling.resolved(row, took))
        if results:
            await self._store.settle(now, results)
            self.tally.settled(results, mails, now)
        self._reports.expect(now)

    # Claiming.

    async def _round(self, hands: trio.Nursery) -> bool:
        """Claim what may go now and set it on its way; tell whether there may be more."""
        now, gate = self._clock.now(), self.gate
        lanes, room = self._admitted(now)
        if not lanes or room <= 0:
            return False
        skip = gate.passed_over(now)
        rows = await self._store.claim(now, self._epoch, room, lanes, skip, gate.paused)
        if not rows:
            return False
        with self._clock.working():
            mails = {row.mail_id: mail.decode(row.mail) for row in rows}
            going, settled = await self._sorted(rows, mails, now)
            if settled:
                await self._store.settle(self._clock.now(), settled)
                self.tally.kept_back(settled, mails)
                self._reports.expect(now)
        for lot in self._in_lots(going):
            await hands.start(self._hand_over, lot)
        return len(rows) == room

    def _admitted(self, now: Instant) -> tuple[tuple[Lane, ...], int]:
        """The lanes of which mails may be claimed, and how many of them there are hands for."""
        served, free = self._served()
        lanes = tuple(lane for lane in self.gate.lanes(now) if lane in served)
        if not lanes:
            return (), 0
        return lanes, min(free * self._transport.lot, self.gate.room(lanes, now))

    def _served(self) -> tuple[tuple[Lane, ...], int]:
        """The lanes that there are free lines for, and how many: the last is for what is owed."""
        lines = self._transport.lines
        free = lines - self._lots
        if free <= 0:
            return (), 0
        if lines == 1:
            return LANES, 1
        return (LANES, free - 1) if free > 1 else (OWED, 1)

    async def _sorted(
        self, rows: list[port.ClaimedRow], mails: dict[str, Mail], now: Instant
    ) -> tuple[list[tuple[port.ClaimedRow, Mail]], list[port.Settled]]:
        """Those that go, and what becomes of the others; who goes has its tokens."""
        unwanted = await self._suppressed(mails)
        going, settled, waiting = [], [], Counter[str]()
        for row in rows:
            wanted = mails[row.mail_id]
            back = self._settling.kept_back(row, wanted, unwanted.get(row.mail_id, ""), now)
            if back is not None:
                settled.append(back)
            elif (
                due := self.gate.wait_of(row.domain, wanted.lane, now, waiting[row.domain])
            ) is not None:
                waiting[row.domain] += 1
                settled.append(port.Settled(row.mail_id, "queued", "its rate", due, row.attempts))
            else:
                self.gate.enter(row.domain, wanted.lane, now)
                going.append((row, wanted))
        return going, settled

    async def _suppressed(self, mails: dict[str, Mail]) -> dict[str, str]:
        """Why some of these are not written to, by mail: asked at the last moment there is."""
        hashes = {i: suppression.hash_of(one.to, self._suppressing) for i, one in mails.items()}
        scopes = await self._store.suppressed(list(set(hashes.values())))
        found = {i: scopes[name] for i, name in hashes.items() if name in scopes}
        return {
            mail_id: suppression.REASONS[scope]
            for mail_id, scope in found.items()
            if suppression.stops(scope, mails[mail_id])
        }

    def _in_lots(self, going: list[tuple[port.ClaimedRow, Mail]]) -> Iterator[Lot]:
        size = self._transport.lot
        return (Lot(going[at : at + size]) for at in range(0, len(going), size))

    # Handing over.

    async def _hand_over(
        self, lot: Lot, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Build, store and hand over a lot, and settle what became of it."""
        with self._clock.working(), self._line():
            task_status.started()
            letters, results = await self._built(lot, self._clock.now())
            if letters:
                results += await self._submit(lot, letters)
            # Who is cut off has handed mails over all the same: what became of them is known.
            with trio.move_on_after(SETTLE_WITHIN, shield=True):
                await self._settle(lot, results)

    @contextmanager
    def _line(self) -> Iterator[None]:
        """One of the transport's lines is taken."""
        self._lots += 1
        try:
            yield
        finally:
            self._lots -= 1
            self._emptied.set()
            self.bell.ring()

    async def _settle(self, lot: Lot, results: list[port.Settled]) -> None:
        now = self._clock.now()
        await self._store.settle(now, results)
        self.tally.settled(results, lot.mails, now)
        for row in lot.rows.values():
            self.gate.leave(row.domain)
        if self.gate.limiter.ahead(now) > FORGETTABLE:
            await self._store.save_limiter(self.gate.state)
        self._reports.expect(now)

    async def _built(self, lot: Lot, now: Instant) -> tuple[dict[str, Letter], list[port.Settled]]:
        letters: dict[str, Letter] = {}
        results: list[port.Settled] = []
        for mail_id, row in lot.rows.items():
            built = self._build(row, lot.mails[mail_id], now)
            if isinstance(built, Letter):
                letters[mail_id] = built
            else:
                results.append(built)
            # A turn for the sockets between two mails: building one takes its time.
            await trio.lowlevel.checkpoint()
        return letters, results

    def _build(self, row: port.ClaimedRow, wanted: Mail, now: Instant) -> Letter | port.Settled:
        sender = self._composer.return_path(wanted)
        if row.body is not None:
            return Letter(wanted, row.body, sender=sender)
        try:
            made = self._composer.compose(wanted)
            return Letter(wanted, made.bytes, made.destinations, sender)
        except Exception as error:  # noqa: BLE001 - one mail's fault must not stop the others
            # Not the recipient's fault and not the network's: a person must look at it.
            log.error(
                "mail_not_built", mail=row.mail_id, template=wanted.template, error=str(error)
            )
            return ended(row, "dead", f"not built: {error}", now)

    async def _submit(self, lot: Lot, letters: dict[str, Letter]) -> list[port.Settled]:
        bodies = [(mail_id, letter.body) for mail_id, letter in letters.items()]
        await self._keep_links(letters)
        since = self._clock.now()
        still_wanted = await self._store.submitting(bodies, self._epoch)
        going = [letter for mail_id, letter in letters.items() if mail_id in still_wanted]
        handed = await self._transport.send(going)
        return [
            self._settling.settled(lot.rows[one.mail_id], lot.mails[one.mail_id], one, since)
            for one in handed
        ]

    async def _keep_links(self, letters: dict[str, Letter]) -> None:
        """Before anybody can follow a link it is known where it leads."""
        rows = [
            port.LinkRow(mail_id, place, url)
            for mail_id, letter in letters.items()
            for place, url in enumerate(letter.destinations, 1)
        ]
        if rows:
            await self._store.trail.keep_links(rows)

    # Waiting.

    async def _next(self) -> Instant:
        """When there will be something to do: a mail due, and everything it needs to go."""
        now, gate = self._clock.now(), self.gate
        # Where no line is free, whoever ends what is in hand rings.
        served, _ = self._served()
        skip = gate.passed_over(now)
        lanes_of = (gate.unpaused(lanes) for lanes in (OWED, OPTIONAL) if lanes[0] in served)
        groups = [lanes for lanes in lanes_of if lanes]
        looks = [(lanes, gate.next_look(lanes, now)) for lanes in groups]
        if len(looks) > 1 and all(look <= now for _, look in looks):
            looks = [((*groups[0], *groups[1]), now)]
        # A destination that is full now is looked at again when it has room.
        found = gate.next_destination(now) if served else NEVER
        for lanes, look in looks:
            due = await self._store.next_send(lanes, skip, gate.paused)
            if due is not None:
                found = min(found, max(due, look))
        return found
