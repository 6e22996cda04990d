"""The locksmith: makes keys and takes them away, of a running service or of one at rest.

Rules:

- A key is shown once, when it is made. What is listed never is a key, nor its hash.
- A key that was taken away opens nothing from then on, and whoever came in with it goes at once.
- Keys of the settings are theirs: they are listed here and taken away there.
- The last operator key goes only where that is meant: nobody could ask anything afterwards.
- When a key was last used is written once a day, at a stop, and before it is told.
"""

from __future__ import annotations

from typing import Final

import structlog

from actors import keys, settings
from actors.asked import Op, Plain, Refused, Request
from actors.clock import Clock
from actors.keys import Keyring
from actors.store import port
from ecrm import moment
from ecrm.errors import Misconfigured
from ecrm.moment import Instant
from proto.permissions import RIGHTS

log = structlog.get_logger()

KINDS: Final = ", ".join(keys.PREFIX)


class Locksmith:
    def __init__(
        self,
        store: port.Store,
        clock: Clock,
        keyring: Keyring,
        configured: tuple[settings.Key, ...],
    ) -> None:
        self._store = store
        self._clock = clock
        self._keyring = keyring
        self._configured = configured
        self.ops: dict[str, Op] = {
            "keys": self._list,
            "add-key": self._add,
            "revoke-key": self._revoke,
        }

    async def save_uses(self) -> None:
        """Write down when keys were last used, if any was since the last time."""
        used, self._keyring.used = self._keyring.used, {}
        if used:
            await self._store.save_uses(used)

    async def _list(self, _request: Request) -> Plain:
        await self.save_uses()
        used = await self._store.uses()
        made = await self._store.keys()
        rows: list[Plain] = [
            _row(one.key_id, one.kind, one.origins, "settings", used) for one in self._configured
        ]
        for row in made:
            at = moment.format_instant(row.at)
            rows.append(_row(row.key_id, row.kind, tuple(row.origins.split()), at, used))
        return {"keys": rows}

    async def _add(self, request: Request) -> Plain:
        if request.kind not in keys.PREFIX:
            raise Refused("invalid", f"{request.kind!r} is no kind of key: write one of {KINDS}")
        kind = keys.kind_of(request.kind)
        there = [row.key_id for row in await self._store.keys()]
        there += [key.key_id for key in self._configured]
        key_id = request.name or _free(kind, there)
        if key_id in there:
            raise Refused("invalid", f"there is a key {key_id!r}: name another, or revoke it")
        if not key_id.isprintable() or " " in key_id or len(key_id) > 100:
            raise Refused("invalid", f"{key_id!r} is no id: write letters, digits and dashes")
        origins = _origins(key_id, kind, request.origins)
        key = keys.new(kind)
        secret = settings.hashed(kind, key)
        now = self._clock.now()
        await self._store.add_keys([port.KeyRow(key_id, kind, secret, " ".join(origins), now)])
        self._keyring.add((settings.Key(key_id, kind, secret, origins),))
        log.warning("key_added", key_id=key_id, kind=kind)
        return {"id": key_id, "kind": kind, "origins": " ".join(origins), "key": key}

    async def _revoke(self, request: Request) -> Plain:
        key_id = request.name
        if any(key.key_id == key_id for key in self._configured):
            reason = "is in the settings or the environment: take it out there, and start again"
            raise Refused("invalid", f"key {key_id!r} {reason}")
        rows = await self._store.keys()
        found = next((row for row in rows if row.key_id == key_id), None)
        if found is None:
            raise Refused("unknown_key", f"there is no key {key_id!r}: `keys list` shows them")
        operators = [row for row in rows if row.kind == "operator"]
        configured = any(key.kind == "operator" for key in self._configured)
        if found.kind == "operator" and len(operators) == 1 and not (configured or request.yes):
            reason = "is the last operator key: add another first, or say --yes"
            raise Refused("last_operator", f"{key_id!r} {reason}")
        await self._store.remove_key(key_id)
        self._keyring.revoke(key_id)
        log.warning("key_revoked", key_id=key_id, kind=found.kind)
        return {"id": key_id, "kind": found.kind, "revoked": True}


def _row(
    key_id: str, kind: str, origins: tuple[str, ...], made: str, used: dict[str, Instant]
) -> Plain:
    last = moment.format_instant(used[key_id]) if key_id in used else ""
    return {
        "id": key_id,
        "kind": kind,
        "origins": " ".join(origins),
        "made": made,
        "last used": last,
    }


def _free(kind: str, there: list[str]) -> str:
    numbers = range(2, len(there) + 3)
    return next(name for n in numbers if (name := f"{kind}-{n}") not in there)


def _origins(key_id: str, kind: settings.KeyKind, told: tuple[str, ...]) -> tuple[str, ...]:
    if told and (kind == "identity" or not RIGHTS[keys.KINDS[kind]].in_browsers):
        raise Refused("invalid", f"a {kind} key is never used in a page: leave the origins out")
    try:
        return settings.origins_of(key_id, told)
    except Misconfigured as error:
        raise Refused("invalid", str(error)) from None
