"""Keys: who may come in (design §8).

The keys of the settings and those of the store open the door together; there may be several of a
kind, so that one can be replaced without a gap. Of secret and operator keys only the SHA-256 is
kept, and a key is looked up by its hash: what the time of a look-up could tell is about hashes, and
nobody can choose a key by its hash. Plain SHA-256 is enough for what is 24 random bytes long.

Identity secrets prove who a browser speaks for (`proto/identity.py`). They open no door, and are
kept as they are, because an HMAC needs them so.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from typing import Final

from actors import settings
from actors.store import port
from ecrm.moment import Instant
from proto import identity
from proto.envelope import Source
from proto.session import Grant

PREFIX: Final[dict[settings.KeyKind, str]] = {
    "publishable": "pk",
    "secret": "sk",
    "operator": "ok",
    "identity": "is",
}
KINDS: Final[dict[settings.KeyKind, Source]] = {
    "publishable": "publishable",
    "secret": "secret",
    "operator": "operator",
}


class Keyring:
    """The keys that are good now. `revoked` hear the id of each that is taken away; `used` holds
    the ids of those that came in, with the instant of the last time. `shown` counts the keys that
    were shown at any door, by their kind; "unknown" opened none.
    """

    def __init__(
        self, keys: tuple[settings.Key, ...], now: Callable[[], Instant] = lambda: Instant(0)
    ) -> None:
        self.revoked: list[Callable[[str], None]] = []
        self.used: dict[str, Instant] = {}
        self.shown: Counter[str] = Counter()
        self._now = now
        self._grants: dict[str, Grant] = {}
        self._identities: dict[str, str] = {}
        self.add(keys)

    def add(self, keys: tuple[settings.Key, ...]) -> None:
        for key in keys:
            if key.kind == "identity":
                self._identities[key.key_id] = key.secret
                continue
            hash_ = settings.hashed("secret", key.secret)
            stored = hash_ if key.kind == "publishable" else key.secret
            self._grants[stored] = Grant(key.key_id, KINDS[key.kind], key.origins)

    def authenticate(self, key: str) -> Grant | None:
        grant = self._grants.get(settings.hashed("secret", key))
        self.shown["unknown" if grant is None else grant.kind] += 1
        if grant is not None:
            self.used[grant.key_id] = self._now()
        return grant

    def proves(self, user_id: str, user_hash: str) -> bool:
        """Whether the shop's back end has said that a browser speaks for this person."""
        return identity.is_proved(self._identities.values(), user_id, user_hash)

    def revoke(self, key_id: str) -> None:
        """Take a key away; whoever came in with it hears of it at once."""
        self._identities.pop(key_id, None)
        self._grants = {
            hash_: grant for hash_, grant in self._grants.items() if grant.key_id != key_id
        }
        for hear in self.revoked:
            hear(key_id)


async def make_missing(
    store: port.Store, known: tuple[settings.Key, ...], now: Instant
) -> dict[settings.KeyKind, str]:
    """Make a key of each kind there is none of, in the settings (`known`) or from an earlier start;
    keep what may be kept of it, and return it to be shown once.
    """
    there = {key.kind for key in (*known, *await stored(store))}
    made = {kind: new(kind) for kind in PREFIX if kind not in there}
    await store.add_keys(
        [
            port.KeyRow(f"first-{kind}", kind, settings.hashed(kind, key), "", now)
            for kind, key in made.items()
        ]
    )
    return made


def new(kind: settings.KeyKind) -> str:
    """A key that nobody can guess; its first letters say what it is."""
    return f"{PREFIX[kind]}_{secrets.token_urlsafe(24)}"


async def stored(store: port.Store) -> tuple[settings.Key, ...]:
    return tuple(
        settings.Key(row.key_id, kind_of(row.kind), row.secret, tuple(row.origins.split()))
        for row in await store.keys()
    )


def kind_of(text: str) -> settings.KeyKind:
    """Raises StopIteration where there is no such kind."""
    return next(kind for kind in PREFIX if kind == text)
