"""What the delivery actor asks of a transport: hand these over, and say honestly what happened."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from ecrm.mail import Mail

# `accepted`: taken over. `retry`: not taken, later perhaps. `refused`: never. `in_doubt`: nobody
# knows, the byte that can cause acceptance was written and no answer came.
Verdict = Literal["accepted", "retry", "refused", "in_doubt"]


class Letter(msgspec.Struct, frozen=True, gc=False):
    """A built mail with what its envelope says."""

    mail: Mail
    body: bytes


class Handed(msgspec.Struct, frozen=True, gc=False):
    mail_id: str
    verdict: Verdict
    response: str


class Transport(Protocol):
    name: str

    async def send(self, letters: list[Letter]) -> list[Handed]:
        """Hand over; one answer per letter. Never raises for what happens to a letter."""
        ...

    async def took(self, mail: Mail) -> bool | None:
        """Was this mail taken over in an earlier life? None where nobody can tell."""
        ...
