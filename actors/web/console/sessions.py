"""The sessions of operators who look by browser.

A session is a random name in a cookie and what is kept here about it; nothing of it can be made up,
and nothing outlives the process. It ends when its key does, when nobody asked anything for half an
hour, half a day after it began in any case, and when newer ones need its place. Time is the
process's own: a clock that an operator pushes by days throws nobody out.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from typing import Final

import msgspec

from ecrm import moment
from ecrm.moment import Instant

IDLE: Final = moment.minutes(30)
LONGEST: Final = moment.hours(12)
# More than the people of any shop; whoever holds a key can at most put out others who hold one.
MOST: Final = 200


class Session(msgspec.Struct, gc=False):
    """`token` is in every form of this session's pages, and proves that a form is one of them;
    `said` is what the next page tells of the last deed, once.
    """

    name: str
    key_id: str
    token: str
    began: Instant
    seen: Instant
    said: str = ""

    def signed(self, token: str) -> bool:
        return hmac.compare_digest(self.token.encode(), token.encode())


class Sessions:
    def __init__(self, now: Callable[[], Instant]) -> None:
        self._now = now
        self._kept: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def begin(self, key_id: str) -> Session:
        """A new session of this key."""
        now = self._now()
        for session in [one for one in self._kept.values() if not _lives(one, now)]:
            self.end(session)
        while len(self._kept) >= MOST:
            self.end(min(self._kept.values(), key=lambda one: one.seen))
        name, token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        session = Session(name, key_id, token, now, now)
        self._kept[name] = session
        return session

    def find(self, name: str, *, by_hand: bool = True) -> Session | None:
        """The session of this name, while it lives; asked `by_hand` it lives on, by a page that
        looks again by itself it does not.
        """
        session, now = self._kept.get(name), self._now()
        if session is None:
            return None
        if not _lives(session, now):
            self.end(session)
            return None
        if by_hand:
            session.seen = now
        return session

    def end(self, session: Session) -> None:
        self._kept.pop(session.name, None)

    def end_of(self, key_id: str) -> None:
        """The key was taken away: so is what began with it."""
        self._kept = {name: one for name, one in self._kept.items() if one.key_id != key_id}


def _lives(session: Session, now: Instant) -> bool:
    return now - session.seen < IDLE and now - session.began < LONGEST
