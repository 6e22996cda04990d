"""Keys: who may come in, and what is kept of them (design §8)."""

from __future__ import annotations

from hashlib import sha256

import pytest

from actors import keys, settings
from actors.store.memory import MemoryStore
from proto import identity
from proto.session import Grant
from tests.actors.house import START

KINDS = ("publishable", "secret", "operator")


@pytest.fixture
def store():
    return MemoryStore(lambda: START)


def configured(kind, key):
    return settings.Key(f"the-{kind}", kind, settings.hashed(kind, key))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_key_of_the_settings_opens_the_door_as_what_it_is(kind):
    keyring = keys.Keyring((configured(kind, "open sesame"),))
    assert keyring.authenticate("open sesame") == Grant(key_id=f"the-{kind}", kind=kind)


@pytest.mark.parametrize("wrong", ["", "open", "open sesame ", "Open sesame", "öpen sesame"])
async def test_another_key_opens_nothing(wrong):
    keyring = keys.Keyring(tuple(configured(kind, "open sesame") for kind in KINDS))
    assert keyring.authenticate(wrong) is None


@pytest.mark.parametrize("kind", ["secret", "operator"])
async def test_the_hash_of_a_key_is_no_key(kind):
    key = configured(kind, "open sesame")
    assert key.secret == sha256(b"open sesame").hexdigest()
    assert keys.Keyring((key,)).authenticate(key.secret) is None


async def test_the_first_keys_open_the_door_now_and_after_a_restart(store):
    made = await keys.make_missing(store, (), START)
    assert sorted(made) == sorted((*KINDS, "identity"))
    for _ in range(2):
        keyring = keys.Keyring(await keys.stored(store))
        granted = {kind: keyring.authenticate(made[kind]) for kind in KINDS}
        assert granted == {kind: Grant(key_id=f"first-{kind}", kind=kind) for kind in KINDS}


async def test_of_secret_and_operator_keys_nothing_is_kept_but_the_hash(store):
    made = await keys.make_missing(store, (), START)
    kept = {row.kind: row.secret for row in await store.keys()}
    assert kept["publishable"] == made["publishable"]
    assert kept["identity"] == made["identity"]
    assert all(
        kept[kind] == sha256(made[kind].encode()).hexdigest() for kind in ("secret", "operator")
    )


async def test_no_two_shops_get_the_same_keys(store):
    made = [await keys.make_missing(MemoryStore(lambda: START), (), START) for _ in range(20)]
    everything = {key for of in made for key in of.values()}
    assert len(everything) == 80
    assert min(len(key) for key in everything) >= 35


async def test_keys_of_the_settings_and_of_the_store_open_the_door_together(store):
    made = await keys.make_missing(store, (), START)
    keyring = keys.Keyring((configured("secret", "open sesame"),))
    keyring.add(await keys.stored(store))
    assert keyring.authenticate("open sesame").key_id == "the-secret"
    assert keyring.authenticate(made["secret"]).key_id == "first-secret"


async def test_the_origins_of_a_key_are_kept(store):
    await store.add_keys(
        [keys.port.KeyRow("k", "publishable", "pk_1", "https://a.example https://b.example", START)]
    )
    [key] = await keys.stored(store)
    assert key.origins == ("https://a.example", "https://b.example")


async def test_only_the_kinds_that_are_missing_are_made_and_only_once(store):
    known = (configured("operator", "open sesame"),)
    made = await keys.make_missing(store, known, START)
    assert sorted(made) == ["identity", "publishable", "secret"]
    assert await keys.make_missing(store, known, START) == {}
    assert len(await store.keys()) == 3


async def test_an_identity_secret_opens_no_door_and_two_are_good_at_a_time(store):
    made = await keys.make_missing(store, (), START)
    keyring = keys.Keyring(await keys.stored(store))
    assert keyring.authenticate(made["identity"]) is None
    keyring.add((settings.Key("next", "identity", "is_next"),))
    for secret in (made["identity"], "is_next"):
        assert keyring.proves("zoe", identity.user_hash(secret, "zoe"))
    keyring.revoke("first-identity")
    assert not keyring.proves("zoe", identity.user_hash(made["identity"], "zoe"))
    assert keyring.proves("zoe", identity.user_hash("is_next", "zoe"))


async def test_a_revoked_key_opens_nothing_and_whoever_listens_hears_of_it():
    keyring = keys.Keyring((configured("secret", "old"), settings.Key("new", "secret", "0" * 64)))
    heard = []
    keyring.revoked.append(heard.append)
    keyring.revoke("the-secret")
    assert keyring.authenticate("old") is None
    assert heard == ["the-secret"]


async def test_a_key_remembers_when_it_was_last_used():
    keyring = keys.Keyring((configured("secret", "open sesame"),), lambda: START)
    keyring.authenticate("open says me")
    assert keyring.used == {}
    keyring.authenticate("open sesame")
    assert keyring.used == {"the-secret": START}
