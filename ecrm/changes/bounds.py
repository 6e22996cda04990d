"""What all changes share: their shape, and how what they keep stays bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

V = TypeVar("V")

Changes = dict[str, object]


def newest(kept: dict[str, V], most: int, at: Callable[[V], int]) -> dict[str, V]:
    """The `most` newest by what they say: a snapshot does not keep the order in which they came."""
    spare = len(kept) - most
    if spare <= 0:
        return kept
    gone = set(sorted(kept, key=lambda name: (at(kept[name]), name))[:spare])
    return {name: value for name, value in kept.items() if name not in gone}
