"""Returns: what comes back, brought to the customer it concerns (delivery §1.4, §1.6).

Three doors lead here: the LMTP listener, the spool that `run.py bounce` fills, and the providers'
webhooks. Behind all of them stand the same rules:

- a mail is known by what cannot be guessed: the token of its return path, or a provider's word that
  was proved. A Message-ID, which everybody knows who got the mail, only says what is claimed;
- the customer decides what follows, and the door answers once that is durable;
- one mail says each thing once, however often and by whatever door it is repeated;
- a block is about us: it changes nothing about anybody, and the operator hears of it.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import structlog

from actors import lmtp
from actors.intake import Answer
from actors.store import port
from actors.system import System
from actors.web.desk import Desk, Gone, Untold
from ecrm import consent, customer, facts, mail, mailboxes, messages
from ecrm.delivery import bounces, returns
from ecrm.delivery.bounces import Verdict
from ecrm.delivery.bounces.verdict import Finding
from ecrm.delivery.webhooks import Event, Provider
from ecrm.links import LinkKeys
from ecrm.mail import Mail
from ecrm.moment import CustomerId, format_instant
from proto import events

log = structlog.get_logger()

RESPONSE: Final = 500
BLOCKED_SHOWN: Final = 20
# What becomes of a word is known for good; after the other answers it has to be said again.
_SETTLED: Final = frozenset(("taken", "repeated", "poisoned"))
_DENIED: Final = events.ConsentUpdated(
    purpose=consent.MARKETING_PURPOSE, state="denied", source="mail"
)


class Returns:
    """`mailbox` takes bounces, `unsubscribe` what is sent to leave; either may be empty."""

    def __init__(
        self, system: System, desk: Desk, keys: LinkKeys, mailbox: str, unsubscribe: str
    ) -> None:
        self.mailbox = mailbox
        self.counts: Counter[str] = Counter()
        self.blocked: Counter[str] = Counter()
        self._unsubscribe = unsubscribe
        self._keys = keys
        self._desk = desk
        self._store: port.Store = system.store
        self._intake = system.intake
        self._clock = system.clock
        system.watchers.append(self._watch)

    # Mails.

    def knows(self, recipient: str) -> bool:
        """Is this an address that mails come back to?"""
        boxes = [box for box in (self.mailbox, self._unsubscribe) if box]
        return any(returns.is_for(box, recipient) for box in boxes)

    async def take(self, message: lmtp.Message) -> list[lmtp.Answer]:
        """What `lmtp.listen` asks for: an answer for each recipient."""
        return [
            "taken" if await self.take_mail(recipient, message.body) else "later"
            for recipient in message.recipients
        ]

    async def take_mail(self, recipient: str, raw: bytes) -> bool:
        """Take in what came to an address. False where it must be brought again."""
        read = bounces.read(raw)
        # Where a mail server puts the address that it was asked to deliver to.
        addresses = (recipient, *read.sent_to)
        token = next((found for one in addresses if (found := self._leaving(one))), "")
        if token:
            return await self._leave(token)
        mail_id, proved = self._named((*addresses, read.envelope), read)
        wanted = await self._mail(mail_id)
        if wanted is None:
            return self._nobodys("mail", read.verdict, mail_id)
        finding = Finding(read.verdict, read.reason)
        return await self._tell(wanted, finding, read.text, "mail", proved=proved)

    def _named(self, addresses: tuple[str, ...], read: bounces.Returned) -> tuple[str, bool]:
        """The mail it is about, and whether that is certain."""
        if self.mailbox:
            for address in addresses:
                found = returns.read(self._keys, self.mailbox, address)
                if found is not None:
                    return found, True
        return returns.claimed(read.message_id), False

    # Leaving by mail.

    def _leaving(self, address: str) -> str:
        """The token of an address that unsubscribes; capitals count in it."""
        local, _, domain = self._unsubscribe.rpartition("@")
        given, _, host = address.strip(" \t\r\n<>").rpartition("@")
        prefix, _, token = given.partition("+")
        here = (prefix.casefold(), host.casefold()) == (local.casefold(), domain.casefold())
        return token if self._unsubscribe and here else ""

    async def _leave(self, token: str) -> bool:
        try:
            visit = await self._desk.visit("unsubscribe", token, strangers=True)
            if visit.mail.stranger:
                await self._desk.invite_no_more(visit)
            else:
                await self._desk.tell(visit, [_DENIED], once="mail")
        except Gone:
            self.counts["unmatched"] += 1
            return True
        except Untold as error:
            return not error.again
        self.counts["unsubscribed"] += 1
        return True

    # Providers.

    async def take_event(self, provider: Provider, event: Event) -> bool:
        """Take in what a provider has told and proved. False where it must be told again."""
        wanted = await self._mail(event.mail_id)
        if wanted is None and event.provider_id:
            known = await self._store.mail_of_provider(event.provider_id)
            wanted = await self._mail(known or "")
        if wanted is None:
            return self._nobodys(provider, event.verdict, event.mail_id or event.provider_id)
        finding = Finding(event.verdict, event.reason)
        return await self._tell(wanted, finding, event.response, provider)

    # Telling.

    async def _mail(self, mail_id: str) -> Mail | None:
        found = await self._store.mail(mail_id) if mail_id else None
        return None if found is None else mail.decode(found)

    def _nobodys(self, source: str, verdict: Verdict, named: str) -> bool:
        """About no mail that is known: erased, another system's, or made up. It is not repeated."""
        self.counts["unmatched"] += 1
        log.info("return_unmatched", source=source, verdict=verdict, named=named[:100])
        return True

    async def _tell(
        self, wanted: Mail, finding: Finding, response: str, source: str, *, proved: bool = True
    ) -> bool:
        verdict = finding.verdict
        if verdict in mailboxes.SILENT:
            self.counts[verdict] += 1
            return True
        word = messages.Returned(
            mail_id=wanted.mail_id,
            address=wanted.to,
            verdict=verdict,
            reason=finding.reason,
            response=response[:RESPONSE],
            source=source,
            kind=wanted.kind,
            programme=wanted.programme,
            marketing=wanted.mail_class == mail.MARKETING and not wanted.stranger,
            proved=proved,
        )
        door = "returned" if proved else "claimed"
        about = f"{door}/{wanted.mail_id}/{verdict}"
        answer = await self._intake.say(wanted.customer_id, word, about)
        if answer.outcome == "taken":
            self._taken(word)
        return answer.outcome in _SETTLED

    def _taken(self, word: messages.Returned) -> None:
        self.counts[word.verdict if word.proved else "claimed"] += 1
        log.info(
            "mail_returned",
            mail=word.mail_id,
            verdict=word.verdict,
            reason=word.reason,
            source=word.source,
            proved=word.proved,
        )
        if word.verdict == "block" and word.proved:
            self._alarm(word.mail_id, word.programme, word.address, word.response)

    def _watch(self, _customer_id: CustomerId, made: customer.Facts) -> None:
        """What was refused at the other server's door counts like what came back later."""
        for fact in made:
            if isinstance(fact, facts.Heard) and fact.bounce:
                self.counts[fact.bounce] += 1
                if fact.bounce == "block":
                    programme = fact.key.partition("/")[0]
                    self._alarm(fact.mail_id, programme, fact.address, fact.response)

    def _alarm(self, mail_id: str, programme: str, address: str, response: str) -> None:
        destination = address.rpartition("@")[2].casefold()
        self.blocked[f"{programme} at {destination}"] += 1
        log.warning(
            "mail_blocked",
            mail=mail_id,
            programme=programme,
            destination=destination,
            response=response,
        )

    # The operator.

    @property
    def status(self) -> dict[str, object]:
        """Counts since the start: by verdict, and of blocks where they happen most."""
        return {
            "returns": dict(sorted(self.counts.items())),
            "blocked": dict(self.blocked.most_common(BLOCKED_SHOWN)),
        }

    async def free(self, customer_id: CustomerId, address: str, why: str) -> Answer:
        """Let an address of a customer be written to again, and be back when that is durable."""
        about = f"free/{address}/{format_instant(self._clock.now())}"
        return await self._intake.say(customer_id, messages.Free(address, why), about)
