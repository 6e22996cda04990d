"""The turn loop: the one place where customers take turns and where their turns become durable.

    batch = intake.take()               waits for the first, then takes what is there
    wake the cold slots of the batch    one read for all
    one pure turn per message           no await in this stretch
    store.commit                        one transaction, uncancellable, one writer
    answers, notices, nudges            never before (law 2)

Everything that matters for correctness is on this page. A commit that fails makes the slots it
touched forget what they were ahead of the disk, and answers "unknown"; three in a row stop the
process. A turn that raises changes nothing: its message goes to quarantine and the customer lives
on (law 8). A customer whose past cannot be read is held; nobody else notices (law 7).
"""

from __future__ import annotations

import traceback
from collections import OrderedDict
from collections.abc import Callable
from time import perf_counter
from typing import Final

import structlog

from actors.batch import Batch, Mourner, Onlooker, Watcher, journal_row, outbox_row
from actors.broadcast import Announcer, Launch
from actors.catalogue import Catalogue
from actors.clock import Clock, Nudged
from actors.intake import Answer, Intake, Item, dedupe_key
from actors.ledger import Ledger
from actors.meter import Meter
from actors.slot import NOT_WORTH_A_ROW, SNAPSHOT_EVERY, Slot, recover
from actors.store import port
from actors.surroundings import around
from ecrm import customer, effects, messages, moment
from ecrm.errors import Held, Rejected, StoreBroken
from ecrm.moment import CustomerId, Instant
from ecrm.rules import Rules
from ecrm.state import VISITOR, State
from proto import envelope, events, notices

log = structlog.get_logger()

# How many customers stay in memory, and for how long untouched (runtime §1.12).
ACTIVE_LIMIT: Final = 20_000
IDLE_AFTER: Final = 10 * moment.MINUTE

FAILURES_ALLOWED: Final = 3

# A tick that raised is tried again then: the alarm row would otherwise be due for ever.
POISONED_TICK_RETRY: Final = moment.HOUR

TAKEN: Final = Answer("taken")
REPEATED: Final = Answer("repeated")

VERSION: Final = "0.1.0"

# The one life of what concerns everybody: releases of products, campaigns.
SHOP: Final = CustomerId("shop:")


class System:
    """All customers, and the loop in which they live. `run` it in a nursery, after the store."""

    def __init__(
        self,
        store: port.Store,
        clock: Clock,
        rules: Rules,
        catalogue: Catalogue,
        announcer: Announcer,
    ) -> None:
        self.store = store
        self.clock = clock
        self.rules = rules
        self.catalogue = catalogue
        self.announcer = announcer
        self.ledger = Ledger(rules.shop, rules.zone, catalogue)
        self.bell = clock.bell()
        self.intake = Intake(self.bell)
        self.alarms: Nudged | None = None
        self.delivery: Nudged | None = None
        self.reports: Nudged | None = None
        self.broadcasts: Nudged | None = None
        self.listeners: list[Callable[[notices.Notice], None]] = []
        self.watchers: list[Watcher] = []
        self.onlookers: list[Onlooker] = []
        self.mourners: list[Mourner] = []
        self.meter = Meter()
        self.failures = self.poisoned = self.fallbacks = 0
        self._slots: OrderedDict[CustomerId, Slot] = OrderedDict()
        self._held: dict[CustomerId, str] = {}
        # Snapshots of customers that were forgotten; they go with the next commit.
        self._leaving: list[port.SnapshotRow] = []
        self._suppressing = b""

    @property
    def active(self) -> int:
        return len(self._slots)

    def offer(self, message: envelope.Message, answered: Callable[[Answer], None]) -> None:
        """Take in an event; `answered` hears what became of it once that is durable.

        Raises `Busy` where there is no room.
        """
        customer_id = _customer_of(message)
        self.intake.offer(
            Item(
                customer_id=customer_id,
                message=message,
                answered=answered,
                size=len(message.original),
                dedupe=dedupe_key(customer_id, message.message_id),
                page=message.source == "publishable",
                since=perf_counter(),
            )
        )

    def tick(self, customer_id: CustomerId, answered: Callable[[Answer], None]) -> None:
        """Let a customer look at the clock; `answered` hears what became of that."""
        self.intake.put(Item(customer_id, messages.Tick(), answered))

    def release(self, customer_id: CustomerId) -> bool:
        """A customer that was held is read again when it is next told something. False where it
        was not held here.
        """
        return self._held.pop(customer_id, None) is not None

    async def run(self) -> None:
        """Take turns until stopped. Raises `StoreBroken` when the store does not take commits."""
        for row in await self.store.tells():
            self._pass_on(row, messages.decode(row.message))
        while True:
            if not len(self.intake):
                if self.bell.stopping:
                    break
                await self.bell.rest()
            await self.round()
        await self.rest()

    async def round(self) -> None:
        """What the intake gives, from there to the answers: one batch, as a rule."""
        items = self.intake.take()
        while items:
            items = await self._batch(items)

    async def _batch(self, items: list[Item]) -> list[Item]:
        """Take and commit these; what is left of them is the next batch."""
        try:
            repeats = await self._awaken(items)
        except StoreBroken as error:
            self._fail(items, error)
            return []
        batch = Batch()
        batch.rows.snapshots += self._leaving
        left = self._take_all(items, batch, repeats)
        if not batch.is_empty:
            began = perf_counter()
            try:
                await self.store.commit(batch.rows)
            except StoreBroken as error:
                self._forget(batch, error)
                return left
            self.meter.commits.note(perf_counter() - began)
        self.failures = 0
        self._leaving.clear()
        self._release(batch)
        self._passivate()
        return left

    # Waking.

    async def _awaken(self, items: list[Item]) -> dict[bytes, bytes]:
        """Have every customer of the batch in its slot; tell which messages were seen before."""
        if not self._suppressing:
            self._suppressing = await self.store.secret(port.SUPPRESSION)
        keys = [item.dedupe for item in items if item.dedupe]
        repeats = await self.store.repeats(keys) if keys else {}
        binds = {item.message.to for item in items if isinstance(item.message, messages.Bind)}
        wanted = {item.customer_id for item in items} | binds
        while wanted:
            await self._load(wanted)
            # Whoever goes on as somebody else brings that one along.
            onward = {to for one in wanted if (to := self._goes_on_as(one)) is not None}
            wanted = onward - self._slots.keys()
        for item in items:
            self._forward(item)
        return repeats

    def _goes_on_as(self, customer_id: CustomerId) -> CustomerId | None:
        slot = self._slots.get(customer_id)
        return None if slot is None else slot.state.bound_to

    def _forward(self, item: Item) -> None:
        """What is about a life that goes on elsewhere belongs there, and so does its past."""
        if not isinstance(
            item.message, envelope.Message | messages.History | messages.Returned | messages.Seen
        ):
            return
        passed = set[CustomerId]()
        while (to := self._goes_on_as(item.customer_id)) is not None and to not in passed:
            passed.add(item.customer_id)
            item.customer_id = to

    async def _load(self, wanted: set[CustomerId]) -> None:
        cold = [one for one in sorted(wanted) if one not in self._slots and one not in self._held]
        if not cold:
            return
        lives = await self.store.load(cold)
        for customer_id in cold:
            try:
                slot = await recover(self.store, lives[customer_id])
            except Held as held:
                self._held[customer_id] = str(held)
                log.error("customer_held", customer=customer_id, reason=str(held))
            else:
                self.fallbacks += slot.fallbacks
                self._slots[customer_id] = slot

    # Turns: no await from here to the commit.

    def _take_all(self, items: list[Item], batch: Batch, repeats: dict[bytes, bytes]) -> list[Item]:
        """Take these in order; what comes behind an erasure of its customer begins a new life, and
        is left for another commit: this one takes all of the old.
        """
        for place, item in enumerate(items):
            # A bind earlier in this very batch may have made it somebody else's.
            self._forward(item)
            if item.customer_id in batch.rows.erase:
                return items[place:]
            self._take(item, batch, repeats)
        return []

    def _take(self, item: Item, batch: Batch, repeats: dict[bytes, bytes]) -> None:
        if item.dedupe and (item.dedupe in repeats or item.dedupe in batch.seen):
            batch.answers.append((item, REPEATED))
            return
        now = self.clock.now()
        answer = self._turn(item, batch, now)
        batch.answers.append((item, answer))
        if item.dedupe and answer.outcome not in ("held", "invalid"):
            batch.seen[item.dedupe] = answer
            # A file of the past may be told again after years: its ids are never too old.
            until = moment.NEVER if isinstance(item.message, messages.History) else now
            batch.rows.dedupe.append(
                port.DedupeRow(item.dedupe, item.customer_id, until, answer.outcome.encode())
            )

    def _turn(self, item: Item, batch: Batch, now: Instant) -> Answer:
        message = item.message
        if isinstance(message, envelope.Message):
            match message.event:
                case events.ProductUpserted() as product:
                    batch.rows.products.append(self.catalogue.upsert(product, now))
                    return TAKEN
                case events.ProductReleased() | events.CampaignLaunched() as launch:
                    return self._launch(launch, batch, now)
                case _:
                    pass
        if item.customer_id in self._held:
            return self._refuse_held(item, batch, now)
        slot = self._slots[item.customer_id]
        now, began = max(now, slot.state.now), perf_counter()
        try:
            taken = self._decide(message, slot.state, now)
            row = journal_row(item, slot.state.seq, taken) if taken.facts else None
        except Exception as error:  # noqa: BLE001 - whatever a decision raises is poison (law 8)
            return self._quarantine(item, batch, now, error)
        batch.took.append(perf_counter() - began)
        self._settle_row(item, batch)
        if row is not None:
            batch.slots.add(item.customer_id)
            self._write(row, slot, taken, batch)
        elif isinstance(message, messages.Tick):
            # What rang was no timer of this customer's: the row must not ring for ever.
            slot.alarm = taken.alarm
            batch.rows.alarms.append(port.AlarmRow(item.customer_id, taken.alarm))
        self._slots.move_to_end(item.customer_id)
        slot.used_at = now
        return TAKEN

    def _launch(self, launch: Launch, batch: Batch, now: Instant) -> Answer:
        """Many are to be told: a row says so, and who tells them reads it."""
        try:
            batch.rows.broadcasts.append(self.announcer.row(launch, now))
        except Rejected as rejected:
            return Answer("invalid", str(rejected), rejected.path)
        return TAKEN

    def _decide(self, message: messages.Incoming, state: State, now: Instant) -> customer.Taken:
        message = self.catalogue.enrich(message)
        at = moment.moment_of(state.customer_id, state.seq, now)
        near = around(self.rules, self.catalogue, self.ledger, state, message, now)
        return customer.turn(self.rules, state, message, at, near)

    def _refuse_held(self, item: Item, batch: Batch, now: Instant) -> Answer:
        """A held customer hears nothing until it is released; its rows must not knock for ever."""
        reason = self._held[item.customer_id]
        batch.rows.holds.append(port.HoldRow(item.customer_id, now, reason))
        match item.message:
            case messages.Tick():
                batch.rows.alarms.append(port.AlarmRow(item.customer_id, None))
            case messages.Report(mail_id=mail_id):
                batch.rows.reported.append(mail_id)
            case _:
                pass
        return Answer("held", reason)

    def _write(self, row: port.JournalRow, slot: Slot, taken: customer.Taken, batch: Batch) -> None:
        who, now, rows = row.customer_id, taken.after.now, batch.rows
        rows.journal.append(row)
        self.ledger.write(slot.state, taken, rows)
        slot.state = taken.after
        batch.turns.append((who, taken.facts))
        if taken.alarm != slot.alarm:
            slot.alarm = taken.alarm
            rows.alarms.append(port.AlarmRow(who, taken.alarm))
        for index, effect in enumerate(taken.effects):
            self._ask(effect, f"{who}/{row.seq}/{index}", now, batch)
        if slot.behind >= SNAPSHOT_EVERY:
            rows.snapshots.append(slot.snapshot(now))

    def _ask(self, effect: effects.Effect, name: str, now: Instant, batch: Batch) -> None:
        match effect:
            case effects.Send(wanted, kept):
                batch.rows.outbox.append(outbox_row(wanted, kept))
            case effects.Erase(customer_ids):
                batch.rows.erase += customer_ids
            case effects.Cancel(mail_id, why):
                batch.rows.cancels.append((mail_id, why))
            case effects.Suppress() | effects.Free():
                batch.ban(effect, self._suppressing, now)
            case effects.Tell(customer_id, message):
                row = port.TellRow(name, customer_id, now, messages.encode(message))
                batch.rows.tells.append(row)
                batch.tells.append((row, message))
            case effects.Notify(notice):
                batch.notices.append(notice)

    def _settle_row(self, item: Item, batch: Batch) -> None:
        """The row that a word from inside stands for is done with by this very commit."""
        match item.message:
            case messages.Report(mail_id=mail_id):
                batch.rows.reported.append(mail_id)
            case messages.Bind() | messages.Inherit():
                batch.rows.told.append(item.row_id)
            case _:
                pass

    def _quarantine(self, item: Item, batch: Batch, now: Instant, error: Exception) -> Answer:
        self.poisoned += 1
        log.error("turn_failed", customer=item.customer_id, error=repr(error))
        batch.rows.quarantine.append(
            port.QuarantineRow(
                customer_id=item.customer_id,
                at=now,
                message=messages.encode(item.message),
                traceback="".join(traceback.format_exception(error)),
                version=VERSION,
            )
        )
        self._settle_row(item, batch)
        if isinstance(item.message, messages.Tick):
            retry = Instant(now + POISONED_TICK_RETRY)
            batch.rows.alarms.append(port.AlarmRow(item.customer_id, retry))
            self._slots[item.customer_id].alarm = retry
        return Answer("poisoned", "the message is in quarantine")

    # After the commit.

    def _release(self, batch: Batch) -> None:
        self.meter.turns.note_all(batch.took)
        self.meter.answered(batch.answers)
        for item, answer in batch.answers:
            item.answered(answer)
        for row, message in batch.tells:
            self._pass_on(row, message)
        # Shops hear of a coupon before the mail that promises it can leave.
        for notice in batch.notices:
            for listener in self.listeners:
                listener(notice)
        self._nudge(batch.rows)
        for customer_id in batch.rows.erase:
            self._slots.pop(customer_id, None)
        batch.show(self.watchers, self.onlookers, self.mourners)

    def _nudge(self, rows: port.Commit) -> None:
        """Tell whoever reads the new rows from when on there is something to do."""
        now = self.clock.now()
        for nudged, dues in (
            (self.alarms, [row.due for row in rows.alarms if row.due is not None]),
            (self.delivery, [row.due for row in rows.outbox]),
            (self.broadcasts, [row.start for row in rows.broadcasts]),
            (self.reports, [now] if rows.cancels else []),
        ):
            if nudged is not None and dues:
                nudged.expect(min(dues))

    def _pass_on(self, row: port.TellRow, message: messages.Inward) -> None:
        def answered(answer: Answer) -> None:
            # The row is still there: what it says will be said again.
            if answer.outcome == "unknown":
                self._pass_on(row, message)

        self.intake.put(Item(row.customer_id, message, answered, row_id=row.tell_id))

    def _forget(self, batch: Batch, error: StoreBroken) -> None:
        """The disk did not take the batch: be no further than the disk is."""
        for customer_id in batch.slots | {row.customer_id for row in batch.rows.alarms}:
            self._slots.pop(customer_id, None)
        self.ledger.unbook(batch.rows.spent)
        self._fail([item for item, _ in batch.answers], error)

    def _fail(self, items: list[Item], error: StoreBroken) -> None:
        self.failures += 1
        log.error("store_failed", error=str(error), in_a_row=self.failures)
        unknown = Answer("unknown", str(error))
        self.meter.answered((item, unknown) for item in items)
        for item in items:
            item.answered(unknown)
        if self.failures >= FAILURES_ALLOWED:
            raise error

    def _passivate(self) -> None:
        """Forget those not used for long, and the least recently used beyond the limit."""
        now = self.clock.now()
        while self._slots:
            customer_id, slot = next(iter(self._slots.items()))
            if len(self._slots) <= ACTIVE_LIMIT and slot.used_at + IDLE_AFTER > now:
                break
            del self._slots[customer_id]
            if slot.behind > NOT_WORTH_A_ROW:
                self._leaving.append(slot.snapshot(now))

    async def rest(self) -> None:
        """The last commit: a snapshot of everyone who is worth one."""
        now = self.clock.now()
        rows = port.Commit(snapshots=list(self._leaving))
        for slot in self._slots.values():
            if slot.behind > NOT_WORTH_A_ROW:
                rows.snapshots.append(slot.snapshot(now))
        if rows.snapshots:
            await self.store.commit(rows)


def _customer_of(message: envelope.Message) -> CustomerId:
    """Whose life an event belongs to; the catalogue's and the campaigns' have one of their own."""
    if message.user_id:
        return CustomerId(message.user_id)
    return CustomerId(f"{VISITOR}{message.anonymous_id}" if message.anonymous_id else SHOP)
