"""Keys are made, listed and taken away, of a running service and of one at rest."""

from __future__ import annotations

import msgspec
import pytest

from actors import keys, settings
from actors.asked import Refused, Request
from actors.keys import Keyring
from actors.locksmith import Locksmith
from actors.store.memory import MemoryStore
from ecrm.moment import Instant
from proto.session import Grant
from tests.actors.house import START, SetClock

WRITTEN = (settings.Key("written", "secret", settings.hashed("secret", "sk_written")),)


class Shop:
    def __init__(self, configured=WRITTEN):
        self.clock = SetClock()
        self.store = MemoryStore(self.clock.now)
        self.keyring = Keyring(configured, self.clock.now)
        self.smith = Locksmith(self.store, self.clock, self.keyring, configured)

    async def asks(self, op, **fields):
        return await self.smith.ops[op](Request(id=1, op=op, **fields))

    async def refused(self, op, **fields):
        with pytest.raises(Refused) as refusal:
            await self.asks(op, **fields)
        return str(refusal.value)


@pytest.mark.parametrize("kind", ["publishable", "secret", "operator"])
async def test_a_new_key_opens_the_door_now_and_after_a_restart(kind):
    shop = Shop()
    made = await shop.asks("add-key", kind=kind)
    grant = Grant(f"{kind}-2", kind)
    assert shop.keyring.authenticate(made["key"]) == grant
    assert Keyring(await keys.stored(shop.store)).authenticate(made["key"]) == grant


async def test_two_keys_of_a_kind_work_until_the_old_one_is_revoked():
    shop = Shop()
    old = (await shop.asks("add-key", kind="secret", name="old"))["key"]
    new = (await shop.asks("add-key", kind="secret", name="new"))["key"]
    assert shop.keyring.authenticate(old)
    await shop.asks("revoke-key", name="old")
    assert shop.keyring.authenticate(old) is None
    assert shop.keyring.authenticate(new)
    assert [row.key_id for row in await shop.store.keys()] == ["new"]


async def test_the_list_never_shows_a_key():
    shop = Shop()
    made = [(await shop.asks("add-key", kind=kind))["key"] for kind in keys.PREFIX]
    listed = await shop.asks("keys")
    text = msgspec.json.encode(listed).decode()
    hashes = [settings.hashed("secret", key) for key in (*made, "sk_written")]
    assert not any(one in text for one in (*made, *hashes, "sk_written"))
    assert len(listed["keys"]) == 5


async def test_the_list_says_when_a_key_was_made_and_last_used():
    shop = Shop()
    key = (await shop.asks("add-key", kind="secret", name="new"))["key"]
    shop.clock.at = Instant(START + 60_000)
    shop.keyring.authenticate(key)
    written, new = (await shop.asks("keys"))["keys"]
    assert (written["made"], written["last used"]) == ("settings", "")
    assert new["made"] == "2026-03-02T09:00:00Z"
    assert new["last used"] == "2026-03-02T09:01:00Z"
    # It is written down, so the next process knows it too.
    assert await shop.store.uses() == {"new": START + 60_000}


async def test_the_origins_of_a_key_are_kept_as_browsers_write_them():
    shop = Shop()
    told = ("https://www.Boutique.example:443/", "none")
    made = await shop.asks("add-key", kind="publishable", origins=told)
    grant = Keyring(await keys.stored(shop.store)).authenticate(made["key"])
    assert grant.origins == ("https://www.boutique.example", "none")


async def test_the_last_operator_key_goes_only_where_that_is_meant():
    shop = Shop()
    await shop.asks("add-key", kind="operator", name="only")
    assert "is the last operator key" in await shop.refused("revoke-key", name="only")
    assert (await shop.asks("revoke-key", name="only", yes=True))["revoked"]
    boss = settings.Key("boss", "operator", settings.hashed("operator", "ok_boss"))
    other = Shop((boss,))
    await other.asks("add-key", kind="operator", name="second")
    assert (await other.asks("revoke-key", name="second"))["revoked"]


@pytest.mark.parametrize(
    ("op", "fields", "said"),
    [
        ("add-key", {"kind": "secrt"}, "is no kind of key: write one of publishable, secret"),
        ("add-key", {"kind": "secret", "name": "written"}, "there is a key 'written'"),
        ("add-key", {"kind": "secret", "name": "a b"}, "is no id"),
        ("add-key", {"kind": "secret", "origins": ("https://a.example",)}, "leave the origins out"),
        ("add-key", {"kind": "publishable", "origins": ("a.example",)}, "is no origin: write"),
        ("revoke-key", {"name": "written"}, "take it out there"),
        ("revoke-key", {"name": "nobody"}, "`keys list` shows them"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_changes_nothing(op, fields, said):
    shop = Shop()
    assert said in await shop.refused(op, **fields)
    assert await shop.store.keys() == []
