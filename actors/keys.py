"""Keys: who may come in (design §8).

The keys of the settings and those made at the first start open the door together. Of secret and
operator keys only the SHA-256 is kept; a key is looked up by its hash, so the time it takes says
nothing about the keys there are.
"""

from __future__ import annotations

import secrets
from typing import Final

from actors import settings
from actors.store import port
from ecrm.moment import Instant
from proto.session import Grant

_PREFIX: Final[dict[settings.KeyKind, str]] = {
    "publishable": "pk",
    "secret": "sk",
    "operator": "ok",
}


class Keyring:
    def __init__(self, keys: tuple[settings.Key, ...]) -> None:
        self._grants: dict[str, Grant] = {}
        self.add(keys)

    def add(self, keys: tuple[settings.Key, ...]) -> None:
        for key in keys:
            hash_ = settings.hashed("secret", key.secret)
            stored = hash_ if key.kind == "publishable" else key.secret
            self._grants[stored] = Grant(key_id=key.key_id, kind=key.kind)

    def authenticate(self, key: str) -> Grant | None:
        return self._grants.get(settings.hashed("secret", key))


async def make_missing(
    store: port.Store, known: tuple[settings.Key, ...], now: Instant
) -> dict[settings.KeyKind, str]:
    """Make a key of each kind there is none of, in the settings (`known`) or from an earlier start;
    keep what may be kept of it, and return it to be shown once.
    """
    there = {key.kind for key in (*known, *await stored(store))}
    made = {
        kind: f"{prefix}_{secrets.token_urlsafe(24)}"
        for kind, prefix in _PREFIX.items()
        if kind not in there
    }
    await store.add_keys(
        [
            port.KeyRow(f"first-{kind}", kind, settings.hashed(kind, key), "", now)
            for kind, key in made.items()
        ]
    )
    return made


async def stored(store: port.Store) -> tuple[settings.Key, ...]:
    return tuple(
        settings.Key(row.key_id, _kind(row.kind), row.secret, tuple(row.origins.split()))
        for row in await store.keys()
    )


def _kind(text: str) -> settings.KeyKind:
    return next(kind for kind in _PREFIX if kind == text)
