"""What operators look up and have done, and mails that are forgotten: kept alike by both stores."""

from __future__ import annotations

import pytest

from actors.outside import open_outside
from actors.store.memory import MemoryStore
from actors.store.port import (
    AddressRow,
    Commit,
    CustomerRow,
    HitRow,
    JournalRow,
    LinkRow,
    OperationRow,
    OutboxRow,
    QuarantineRow,
    Settled,
)
from actors.store.sqlite import open_store

NOW = 1_770_000_000_000
LANES = (0, 1, 2, 3)
NOBODY = frozenset()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    if request.param == "memory":
        yield MemoryStore(lambda: NOW)
        return
    async with (
        open_outside() as outside,
        open_store(tmp_path / "ecrm.db", outside, lambda: NOW) as made,
    ):
        yield made


def row(mail_id, **more):
    plain = {
        "mail_id": mail_id,
        "customer_id": "ana",
        "kind": "k07",
        "programme": "cart",
        "step": "reminder",
        "lane": 2,
        "domain": "example.org",
        "at": NOW,
        "due": NOW,
        "not_after": NOW + 10_000,
        "mail": b"mail",
    }
    return OutboxRow(**{**plain, **more})


def lives(*who):
    turns = [JournalRow(one, 0, 1, NOW, b"m", b"f") for one in who]
    addresses = [AddressRow(one, f"{one.casefold()}@shop.example") for one in who]
    return Commit(journal=turns, addresses=addresses)


async def test_customers_are_found_by_the_beginning_of_their_id_page_by_page(store):
    await store.commit(lives("bob", "ana", "anton", "Ana", "an_a"))
    found = await store.register.named("an", "", 2)
    assert found == [
        CustomerRow("an_a", "an_a@shop.example"),
        CustomerRow("ana", "ana@shop.example"),
    ]
    assert [one.customer_id for one in await store.register.named("an", "ana", 2)] == ["anton"]
    assert await store.register.named("zoe", "", 2) == []


async def test_customers_are_found_by_the_beginning_of_their_address(store):
    await store.commit(lives("c1", "c2", "d1"))
    await store.commit(Commit(addresses=[AddressRow("c2", "zoe@shop.example")]))
    assert await store.register.addressed("c", 9) == [CustomerRow("c1", "c1@shop.example")]
    assert await store.register.addressed("zoe@", 9) == [CustomerRow("c2", "zoe@shop.example")]
    assert len(await store.register.addressed("", 2)) == 2


async def test_many_addresses_are_read_at_once(store):
    many = [f"c{number}" for number in range(1_200)]
    await store.commit(lives(*many))
    await store.commit(Commit(addresses=[AddressRow("c2", "")]))
    found = await store.register.emails([*many, "nobody"])
    assert found == {one: f"{one}@shop.example" for one in many if one != "c2"}


async def test_the_address_of_an_erased_customer_is_gone(store):
    await store.commit(lives("c1", "c2"))
    await store.commit(Commit(erase=["c1"]))
    assert await store.register.emails(["c1", "c2"]) == {"c2": "c2@shop.example"}
    assert [one.customer_id for one in await store.register.addressed("", 9)] == ["c2"]
    assert [one.customer_id for one in await store.register.named("c", "", 9)] == ["c2"]


async def test_what_an_operator_did_is_remembered_the_newest_first(store):
    rows = [OperationRow(NOW + n, "ops", "pause", "all", f"reason {n}") for n in range(3)]
    for one in rows:
        await store.register.note(one)
    assert await store.register.operations(2) == [rows[2], rows[1]]


async def test_what_failed_is_found_by_its_number(store):
    failed = [QuarantineRow(f"c{n}", NOW, b"m", "Traceback\nValueError: x", "1") for n in range(2)]
    await store.commit(Commit(quarantine=failed))
    (second, first) = await store.quarantined(9)
    assert second.number > first.number > 0
    assert await store.register.quarantined(first.number) == first
    assert await store.register.quarantined(99) is None


async def test_a_letter_is_shown_with_its_bytes_until_it_ended_and_never_with_its_secret(store):
    await store.commit(Commit(outbox=[row("m1", mail=b"secret 123", kept=b"secret")]))
    await store.claim(NOW, "boot", 9, LANES, NOBODY)
    await store.submitting([("m1", b"the very bytes")], "boot")
    letter = await store.register.letter("m1")
    assert (letter.state, letter.mail, letter.secret) == ("submitting", b"secret", True)
    assert letter.body == b"the very bytes"
    await store.settle(NOW, [Settled("m1", "accepted")])
    letter = await store.register.letter("m1")
    assert (letter.state, letter.secret, letter.body) == ("accepted", False, None)
    assert await store.register.letter("m2") is None


async def ends(store, mail_id, at, *, reported=True):
    await store.commit(Commit(outbox=[row(mail_id)]))
    await store.claim(NOW, "boot", 9, LANES, NOBODY)
    await store.settle(at, [Settled(mail_id, "accepted")])
    if reported:
        await store.commit(Commit(reported=[mail_id]))


async def known(store):
    return sorted(one.mail_id for one in await store.queue_rows(None, None, 99))


async def test_a_mail_is_forgotten_some_time_after_it_ended_with_all_that_hangs_on_it(store):
    await ends(store, "old", NOW - 9)
    await ends(store, "new", NOW)
    await store.trail.keep_links([LinkRow("old", 1, "https://a.example")])
    await store.trail.keep_hit(HitRow("old", "clicked", 1, NOW))
    assert await store.register.prune_mails(NOW, 9) == 1
    assert await known(store) == ["new"]
    assert await store.trail.link("old", 1) is None
    assert await store.trail.unjudged(9) == []
    assert [(one.state, one.count) for one in await store.queue_counts() if one.count] == [
        ("accepted", 1)
    ]


async def test_nothing_that_waits_or_was_not_reported_is_forgotten(store):
    await ends(store, "untold", NOW - 9, reported=False)
    await store.commit(Commit(outbox=[row("waits")]))
    assert await store.register.prune_mails(NOW, 9) == 0
    assert await known(store) == ["untold", "waits"]


async def test_what_goes_once_in_a_lifetime_is_remembered_for_ever(store):
    await ends(store, "00000000-0000-7abc", NOW - 9)
    assert await store.register.prune_mails(NOW, 9) == 0


async def test_the_oldest_are_forgotten_first_and_no_more_than_asked(store):
    for n in range(4):
        await ends(store, f"m{n}", NOW - 9 + n)
    assert await store.register.prune_mails(NOW, 3) == 3
    assert await known(store) == ["m3"]
