"""What all changes share: their shape, and how what they keep stays bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from ecrm.state import FOLLOWED_KEPT, Followed

V = TypeVar("V")

Changes = dict[str, object]


def newest(kept: dict[str, V], most: int, at: Callable[[V], int]) -> dict[str, V]:
    """The `most` newest by what they say: a snapshot does not keep the order in which they came."""
    spare = len(kept) - most
    if spare <= 0:
        return kept
    gone = set(sorted(kept, key=lambda name: (at(kept[name]), name))[:spare])
    return {name: value for name, value in kept.items() if name not in gone}


def newest_clicks(clicks: Iterable[Followed]) -> tuple[Followed, ...]:
    """The last click of each mail, of the mails that were clicked last; in their order."""
    last: dict[str, Followed] = {}
    for one in sorted(clicks, key=lambda one: (one.at, one.mail_id)):
        last.pop(one.mail_id, None)
        last[one.mail_id] = one
    return tuple(last.values())[-FOLLOWED_KEPT:]
