"""The delivery actor: takes mails from the outbox, at a limited rate, to the one transport.

A mail goes through the states of `delivery.md` §1.2. What makes it safe:

- rows are leased in the name of this process's epoch; at start every row that another epoch held is
  given back at once, because there is only one delivery actor on a database;
- `submitting` is committed before the byte that can cause acceptance, and it is the one state whose
  outcome a crash leaves open: the transport is asked whether it took the mail, and where it cannot
  tell, the lane decides;
- a mail is built once, stored, and handed over verbatim on every try;
- a mail that was cancelled while it was being built is not among those `submitting` returns.

The owed mails (lanes 0 and 1) are claimed first, and a part of the rate is theirs alone.
"""

from __future__ import annotations

from typing import Final

import structlog
import trio

from actors.clock import Clock, Nudged
from actors.compose import Composer
from actors.store import port
from actors.transports.port import Handed, Letter, Transport
from ecrm import mail
from ecrm.delivery import retry, suppression
from ecrm.delivery.limiter import Limit, Limiter
from ecrm.mail import Lane
from ecrm.moment import NEVER, Instant, seconds

log = structlog.get_logger()

AT_ONCE: Final = 64
OWED: Final[tuple[Lane, ...]] = (0, 1)
OPTIONAL: Final[tuple[Lane, ...]] = (2, 3)
ALL_LANES: Final[tuple[Lane, ...]] = OWED + OPTIONAL
EVERYWHERE: Final = "*"
# The secret that hashes the addresses of the suppression list.
SUPPRESSION: Final = "suppressions"
# A bucket that will be free again sooner than a restart takes need not be written down.
FORGETTABLE: Final = seconds(1)


class Delivery:
    def __init__(
        self,
        store: port.Store,
        clock: Clock,
        composer: Composer,
        transport: Transport,
        *,
        epoch: str,
        limit: Limit,
        per_domain: dict[str, Limit],
        reports: Nudged,
    ) -> None:
        self.sent = 0
        self.limiter = Limiter()
        self._store = store
        self._clock = clock
        self._composer = composer
        self._transport = transport
        self._epoch = epoch
        self._limit = limit
        self._per_domain = per_domain
        self._reports = reports
        self._suppressing = b""
        self.bell = clock.bell()

    async def run(self) -> None:
        """Deliver until stopped."""
        self.limiter = Limiter(await self._store.limiter_state())
        self._suppressing = await self._store.secret(SUPPRESSION)
        await self._resolve()
        while not self.bell.stopping:
            if not await self._round():
                await self.bell.rest(await self._next())
        await self._store.save_limiter(self.limiter.tats)
        self._clock.dismiss(self.bell)

    async def _resolve(self) -> None:
        """Settle what an earlier life left in the middle of being handed over."""
        now = self._clock.now()
        results = []
        for row in await self._store.reclaim(self._epoch):
            wanted = mail.decode(row.mail)
            took = await self._transport.took(wanted)
            state: port.OutboxState = "queued"
            if took:
                state = "accepted"
            elif took is None and row.lane not in retry.RETRIED_IN_DOUBT:
                state = "accepted_unknown"
            response = "settled after a restart"
            results.append(port.Settled(row.mail_id, state, response, now, row.attempts))
            log.info("mail_resolved", mail=row.mail_id, state=state)
        if results:
            await self._store.settle(now, results)
        self._reports.expect(now)

    async def _round(self) -> bool:
        """Claim and hand over what the limits allow now; tell whether there may be more."""
        now = self._clock.now()
        # Claims come in the order of the lanes, so the owed mails are first either way; once what
        # is left of the rate is reserved for them, they are claimed alone.
        lanes = ALL_LANES if self._room(OPTIONAL, now) else OWED
        room = min(AT_ONCE, self._room(lanes, now))
        if not room:
            return False
        rows = await self._store.claim(now, self._epoch, room, lanes, self._full(now))
        if rows:
            await self._hand_over(rows, now)
        return len(rows) == room

    def _room(self, lanes: tuple[Lane, ...], now: Instant) -> int:
        return self.limiter.available(EVERYWHERE, self._limit, lanes[-1], now)

    def _full(self, now: Instant) -> frozenset[str]:
        """The domains that may not be written to at this instant: skipped, so they block nobody."""
        return frozenset(
            domain
            for domain, limit in self._per_domain.items()
            if not self.limiter.available(domain, limit, 0, now)
        )

    async def _hand_over(self, rows: list[port.ClaimedRow], now: Instant) -> None:
        with self._clock.working():
            results: list[port.Settled] = []
            letters: dict[str, Letter] = {}
            unwanted = await self._suppressed(rows)
            for row in rows:
                built = self._build(row, unwanted.get(row.mail_id, ""), now)
                if isinstance(built, Letter):
                    letters[row.mail_id] = built
                else:
                    results.append(built)
                # A turn for the sockets between two mails: building one takes its time.
                await trio.lowlevel.checkpoint()
            if letters:
                results += await self._submit(letters, {row.mail_id: row for row in rows}, now)
            await self._store.settle(self._clock.now(), results)
            if self.limiter.ahead(now) > FORGETTABLE:
                await self._store.save_limiter(self.limiter.tats)
            self._reports.expect(now)

    async def _suppressed(self, rows: list[port.ClaimedRow]) -> dict[str, str]:
        """Why some of these are not written to, by mail: asked at the last moment there is."""
        mails = {row.mail_id: mail.decode(row.mail) for row in rows}
        hashes = {i: suppression.hash_of(one.to, self._suppressing) for i, one in mails.items()}
        scopes = await self._store.suppressed(list(set(hashes.values())))
        found = {i: scopes[name] for i, name in hashes.items() if name in scopes}
        return {
            mail_id: suppression.REASONS[scope]
            for mail_id, scope in found.items()
            if suppression.stops(scope, mails[mail_id])
        }

    def _build(self, row: port.ClaimedRow, unwanted: str, now: Instant) -> Letter | port.Settled:
        if row.not_after < now:
            return port.Settled(row.mail_id, "expired", "too late to make sense", now, row.attempts)
        if unwanted:
            return port.Settled(row.mail_id, "suppressed", unwanted, now, row.attempts)
        limit = self._per_domain.get(row.domain)
        if limit is not None:
            if not self.limiter.available(row.domain, limit, row.lane, now):
                due = self.limiter.next_at(row.domain, limit, row.lane, now)
                return port.Settled(row.mail_id, "queued", "its rate", due, row.attempts)
            self.limiter.spend(row.domain, limit, now)
        wanted = mail.decode(row.mail)
        if row.body is not None:
            return Letter(wanted, row.body)
        try:
            return Letter(wanted, self._composer.compose(wanted).bytes)
        except Exception as error:  # noqa: BLE001 - one mail's fault must not stop the others
            # Not the recipient's fault and not the network's: a person must look at it.
            log.error(
                "mail_not_built", mail=row.mail_id, template=wanted.template, error=str(error)
            )
            return port.Settled(row.mail_id, "dead", f"not built: {error}", now, row.attempts)

    async def _submit(
        self, letters: dict[str, Letter], rows: dict[str, port.ClaimedRow], now: Instant
    ) -> list[port.Settled]:
        bodies = [(mail_id, letter.body) for mail_id, letter in letters.items()]
        still_wanted = await self._store.submitting(bodies, self._epoch)
        going = [letter for mail_id, letter in letters.items() if mail_id in still_wanted]
        self.limiter.spend(EVERYWHERE, self._limit, now, len(going))
        handed = await self._transport.send(going)
        self.sent += sum(one.verdict == "accepted" for one in handed)
        return [self._settled(rows[one.mail_id], one) for one in handed]

    def _settled(self, row: port.ClaimedRow, handed: Handed) -> port.Settled:
        now, attempts = self._clock.now(), row.attempts + 1
        lane = mail.decode(row.mail).lane
        state: port.OutboxState
        due: Instant | None = now
        match handed.verdict:
            case "accepted":
                state = "accepted"
            case "refused":
                state = "dead"
            case "in_doubt" if lane not in retry.RETRIED_IN_DOUBT:
                state = "accepted_unknown"
            case "in_doubt" | "retry":
                due = retry.next_attempt(lane, attempts, row.mail_id, now, row.not_after)
                state = "queued" if due is not None else "expired"
        log.info("mail_handed", mail=row.mail_id, state=state, response=handed.response)
        return port.Settled(row.mail_id, state, handed.response, due or now, attempts)

    async def _next(self) -> Instant:
        """When there will be something to do: a mail due, and a token for it."""
        now = self._clock.now()
        full = self._full(now)
        tokens = [
            (lanes, self.limiter.next_at(EVERYWHERE, self._limit, lanes[0], now))
            for lanes in (OWED, OPTIONAL)
        ]
        if all(token <= now for _, token in tokens):
            tokens = [(ALL_LANES, now)]
        # A domain that is full now is looked at again when it has room.
        found = min(
            (self.limiter.next_at(name, self._per_domain[name], 0, now) for name in full),
            default=NEVER,
        )
        for lanes, token in tokens:
            due = await self._store.next_send(lanes, full)
            if due is not None:
                found = min(found, max(due, token))
        return found
