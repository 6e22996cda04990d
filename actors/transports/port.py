"""What the delivery actor asks of a transport: hand these over, and say honestly what happened."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from ecrm.delivery.verdict import Stage
from ecrm.mail import Mail
from ecrm.moment import Duration

# `accepted`: taken over. `retry`: not taken, later perhaps. `refused`: never. `in_doubt`: nobody
# knows, the byte that can cause acceptance was written and no answer came.
Verdict = Literal["accepted", "retry", "refused", "in_doubt"]


class Letter(msgspec.Struct, frozen=True, gc=False):
    """A built mail with what its envelope says; `destinations` are where its followed links lead,
    where it was built just now. `sender` is where its bounces go (RFC 5321 MAIL FROM), empty where
    the transport knows better.
    """

    mail: Mail
    body: bytes
    destinations: tuple[str, ...] = ()
    sender: str = ""


class Handed(msgspec.Struct, frozen=True, gc=False):
    """What became of a letter; `stage`, `code` and `enhanced` are what `verdict.decide` reads.

    `retry_after` is the wait that the other side asked for, None where it named none;
    `provider_id` is its own name for the mail, by which it will speak of it later.
    """

    mail_id: str
    verdict: Verdict
    response: str
    stage: Stage = ""
    code: int = 0
    enhanced: str = ""
    retry_after: Duration | None = None
    provider_id: str = ""


class Transport(Protocol):
    """`lines` lots of `lot` mails are handed over at a time. For so long as `repeatable` after its
    first time a mail may be handed over again and no second one comes of it (delivery §1.5); 0
    where one might.
    """

    name: str
    lines: int
    lot: int
    repeatable: Duration

    async def send(self, letters: list[Letter]) -> list[Handed]:
        """Hand over; one answer per letter. Never raises for what happens to a letter."""
        ...

    async def took(self, mail: Mail) -> bool | None:
        """Was this mail taken over in an earlier life? None where nobody can tell."""
        ...
