"""What is asked of the console: one request, and the refusal of one that cannot be done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, get_args

import msgspec

from actors.store import port
from ecrm.errors import EcrmError

Plain = dict[str, object]

STATES: Final = ", ".join(get_args(port.OutboxState))


class Refused(EcrmError):
    """The console cannot do that."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Request(msgspec.Struct, frozen=True):
    """The fields of all ops; each reads its own."""

    id: int | str
    op: str
    customer: str = ""
    mail: str = ""
    scope: port.PauseScope = "all"
    name: str = ""
    reason: str = ""
    survey: str = ""
    advance: str = ""
    search: str = ""
    after: str = ""
    number: int | None = None
    state: port.OutboxState | None = None
    before: int | None = None
    limit: int | None = None
    outcome: str = ""
    rate: int | None = None
    kind: str = ""
    origins: tuple[str, ...] = ()
    yes: bool = False
    programme: str = ""
    month: str = ""
    language: str = "en"
    at: str = ""
    seq: int | None = None
    turn: int | None = None
    days: int | None = None
    steps: int | None = None
    event: Plain | None = None
    full: bool = False
    detailed: bool = False

    @property
    def about(self) -> str:
        """Whom or what it is about, as the journal of operations names it."""
        scoped = f"{self.scope} {self.name}".rstrip() if self.op in ("pause", "resume") else ""
        key = self.name if self.op.endswith("-key") else ""
        if self.op == "send" and self.event is not None:
            return f"{self.customer}: {self.event.get('event') or self.event.get('type')}"
        return self.customer or self.mail or scoped or key or self.advance


Op = Callable[[Request], Awaitable[Plain]]
