"""The account (k29 to k33): codes in seconds, alarms at once, and a farewell that erases.

A secret stands in its mail and nowhere else (mission §9.11); of who deletes the account nothing is
left in the store but message ids.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from ecrm import moment
from ecrm.delivery.limiter import limit
from tests.worlds import Unsent, instant, open_world, text_of

CODE = "817-493"
RESET = "https://boutique.example/password?token=unguessable-3f9a"


def stamp(local):
    return moment.format_instant(instant(local))


def assert_owed(letter):
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["List-Id"] is letter["List-Unsubscribe"] is letter["List-Unsubscribe-Post"]


def tables_with(folder, text):
    """The tables of a closed store in whose rows a text stands, in whatever column."""
    with closing(sqlite3.connect(folder / "ecrm.db")) as store:
        tables = store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {
            table
            for (table,) in tables
            for row in store.execute(f"SELECT * FROM {table}")
            if any(text.encode() in as_bytes(one) for one in row)
        }


def as_bytes(value):
    return value if isinstance(value, bytes) else str(value).encode()


def stored(folder):
    """All bytes of the data folder beside the mails, after the store was closed."""
    found = b"".join(file.read_bytes() for file in folder.glob("*") if file.is_file())
    assert found.startswith(b"SQLite format 3")
    return found


# Codes and resets.


async def test_a_code_is_sent_at_once_by_night_and_without_any_consent(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", consent=False, locale="en")
    await shop.consents("zoe", "denied")
    await world.until("2026-03-03 03:12")
    await shop.track(
        "zoe",
        "Verification Code Requested",
        code=CODE,
        expires_at=stamp("2026-03-03 03:22"),
        purpose="sign-in",
    )
    await world.until("2026-03-05 10:00")
    assert world.kinds() == [("k29", "2026-03-03 03:12")]
    letter = world.letter("k29")
    assert_owed(letter)
    assert letter["X-Ecrm-Programme"] == "verification/code"
    # A secret is not read over a shoulder from the list of mails.
    assert CODE not in letter["Subject"]
    text = text_of(letter)
    assert CODE in text
    assert "valid until 3:22" in text
    assert "Asked for: sign-in" in text
    # Kept nowhere, it can be shown in no browser.
    assert "Read it in your browser" not in text


async def test_each_code_that_is_asked_for_is_sent(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    for minute, code in ((10, "111-111"), (11, "222-222")):
        await world.until(f"2026-03-02 10:{minute}")
        expires = stamp(f"2026-03-02 10:{minute + 10}")
        await shop.track("zoe", "Verification Code Requested", code=code, expires_at=expires)
    await world.until("2026-03-02 12:00")
    assert world.kinds() == [("k29", "2026-03-02 10:10"), ("k29", "2026-03-02 10:11")]
    first, second = (text_of(letter) for letter in world.letters())
    assert "111-111" in first
    assert "222-222" in second


async def test_a_code_that_has_expired_is_not_sent(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    expired = stamp("2026-03-02 09:59")
    await shop.track("zoe", "Verification Code Requested", code=CODE, expires_at=expired)
    await world.until("2026-03-02 12:00")
    assert world.kinds() == []
    assert await world.unsent("zoe") == [Unsent("k29", "verification/code", "deadline")]


async def test_a_code_that_expires_in_the_queue_is_not_sent(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=limit(1 / 240)) as world:
        shop = await world.shop()
        await shop.knows("zoe")
        for code in ("111-111", "222-222", "333-333"):
            expires = stamp("2026-03-02 10:05")
            await shop.track("zoe", "Verification Code Requested", code=code, expires_at=expires)
        await world.until("2026-03-02 12:00")
        assert len(world.letters()) == 2
        assert await world.unsent("zoe") == [Unsent("k29", "verification", "expired")]
    left = stored(tmp_path)
    assert [code for code in (b"111-111", b"222-222", b"333-333") if code in left] == []


async def test_a_code_passes_everything_else_that_waits(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=limit(1 / 60)) as world:
        shop = await world.shop()
        for user in ("ann", "ben", "cid"):
            await shop.knows(user)
            await shop.pays(user, f"o-{user}", "cup")
        await shop.knows("zoe")
        expires = stamp("2026-03-02 10:05")
        await shop.track("zoe", "Verification Code Requested", code=CODE, expires_at=expires)
        await world.until("2026-03-02 10:01")
        assert [mail.kind for mail in world.mails("zoe")] == ["k29"]
        assert len(world.letters()) == 2


async def test_a_code_nobody_can_be_sent_is_given_up_at_once(autojump_clock, world):
    shop = await world.shop()
    expires = stamp("2026-03-02 10:10")
    await shop.track("zoe", "Verification Code Requested", code=CODE, expires_at=expires)
    await world.until("2026-03-02 10:01")
    assert await world.unsent("zoe") == [Unsent("k29", "verification/code", "missing_data")]
    await shop.knows("zoe")
    await world.until("2026-03-02 12:00")
    assert world.kinds() == []


async def test_a_new_password_is_a_link_sent_at_once_and_only_while_it_works(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en")
    await world.until("2026-03-02 23:30")
    for expires in ("2026-03-02 23:15", "2026-03-03 00:30"):
        await shop.track(
            "zoe", "Password Reset Requested", reset_url=RESET, expires_at=stamp(expires)
        )
    await world.until("2026-03-05 10:00")
    assert world.kinds() == [("k30", "2026-03-02 23:30")]
    letter = world.letter("k30")
    assert_owed(letter)
    assert letter["Subject"] == "Choose a new password"
    text = text_of(letter)
    assert RESET in text
    assert "Read it in your browser" not in text
    assert await world.unsent("zoe") == [Unsent("k30", "reset/link", "deadline")]


async def test_a_secret_is_in_the_mail_and_nowhere_else(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock) as world:
        shop = await world.shop()
        await shop.knows("zoe")
        expires = stamp("2026-03-02 10:30")
        await shop.track("zoe", "Verification Code Requested", code=CODE, expires_at=expires)
        await shop.track("zoe", "Password Reset Requested", reset_url=RESET, expires_at=expires)
        await world.passes(0)
        assert CODE in text_of(world.letter("k29"))
        assert RESET in text_of(world.letter("k30"))
        for op in ("inspect", "journal", "queue", "timers"):
            answer = await world.ask(op, customer="zoe")
            assert answer["ok"]
            assert CODE not in str(answer)
            assert RESET not in str(answer)
        for letter in world.letters():
            mail_id = str(letter["Message-ID"]).strip("<>").partition("@")[0].rpartition(".")[0]
            kept = await world.service.store.mail(mail_id)
            assert kept is not None
            assert CODE.encode() not in kept
            assert RESET.encode() not in kept
        journal = await world.service.store.journal("zoe", before=None, limit=100)
        told = b"".join(row.message + row.facts for row in journal)
        assert b"Verification Code Requested" in told
        assert CODE.encode() not in told
        assert RESET.encode() not in told
    left = stored(tmp_path)
    assert CODE.encode() not in left
    assert RESET.encode() not in left


async def test_a_secret_that_was_never_sent_is_kept_nowhere_either(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock) as world:
        shop = await world.shop()
        expires = stamp("2026-03-02 10:30")
        await shop.track("zoe", "Verification Code Requested", code=CODE, expires_at=expires)
        await shop.track("zoe", "Password Reset Requested", reset_url=RESET, expires_at=expires)
        await world.passes(0)
        assert [one.reason for one in await world.unsent("zoe")] == ["missing_data"] * 2
    left = stored(tmp_path)
    assert CODE.encode() not in left
    assert RESET.encode() not in left


# Alarms.


async def test_a_new_address_is_told_to_the_old_one_and_to_the_new_one(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en", consent=False)
    await world.until("2026-03-02 22:45")
    old, new = "zoe@customers.example", "zoe@elsewhere.example"
    await shop.track("zoe", "Email Changed", old_email=old, new_email=new)
    await shop.pays("zoe", "o1", "cup")
    await world.until("2026-03-03 09:00")
    assert world.kinds("zoe", "k32") == [("k32", "2026-03-02 22:45")] * 2
    told = [letter for letter in world.letters() if letter["X-Ecrm-Kind"] == "k32"]
    assert {str(letter["To"]) for letter in told} == {old, new}
    for letter in told:
        assert_owed(letter)
        text = text_of(letter)
        assert f"Former address: {old}" in text
        assert f"New address: {new}" in text
    # From then on it is the new one that is written to.
    assert world.letter("k11")["To"] == new


async def test_each_change_of_the_account_is_told_with_what_was_changed(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en", consent=False)
    await shop.track("zoe", "Account Updated", fields=["password", "phone"])
    await world.until("2026-03-02 10:05")
    await shop.track("zoe", "Account Updated", fields=["address"])
    await world.until("2026-03-03 09:00")
    assert world.kinds() == [("k32", "2026-03-02 10:00"), ("k32", "2026-03-02 10:05")]
    first, second = world.letters()
    assert_owed(first)
    assert "What was changed: password, phone" in text_of(first)
    assert "What was changed: address" in text_of(second)


async def test_an_attempt_to_log_in_is_told_at_once_with_where_it_came_from(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe", locale="en", consent=False)
    await world.until("2026-03-03 04:00")
    await shop.track(
        "zoe",
        "Login Attempted",
        success=False,
        ip="203.0.113.9",
        user_agent="Firefox on Linux",
        location="Lyon",
    )
    await world.until("2026-03-03 12:00")
    assert world.kinds() == [("k33", "2026-03-03 04:00")]
    letter = world.letter("k33")
    assert_owed(letter)
    assert letter["Subject"] == "A failed sign-in to your account"
    text = text_of(letter)
    assert "203.0.113.9" in text
    assert "Firefox on Linux" in text
    assert "Lyon" in text


async def test_a_thousand_attempts_make_one_mail_an_hour(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    for minute in range(0, 60, 5):
        await world.until(f"2026-03-02 10:{minute:02}")
        await shop.track("zoe", "Login Attempted", success=False)
    await world.until("2026-03-02 11:00")
    await shop.track("zoe", "Login Attempted", success=False)
    await world.until("2026-03-02 15:00")
    assert world.kinds() == [("k33", "2026-03-02 10:00"), ("k33", "2026-03-02 11:00")]


async def test_an_attempt_of_yesterday_is_no_news(autojump_clock, world):
    shop = await world.shop()
    await shop.knows("zoe")
    await shop.track("zoe", "Login Attempted", success=False, at="2026-03-01 09:59")
    await world.until("2026-03-03 10:00")
    assert world.kinds() == []
    assert await world.unsent("zoe") == [Unsent("k33", "login/attempt", "deadline")]


# The farewell.


async def test_a_deleted_account_is_confirmed_and_everything_else_ends(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe", locale="en", firstName="Zoé")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-02 10:30")
    await shop.track("zoe", "Account Deleted")
    await world.until("2026-06-30 10:00")
    assert world.kinds() == [("k01", "2026-03-02 10:00"), ("k31", "2026-03-02 10:30")]
    letter = world.letter("k31")
    assert_owed(letter)
    assert letter["To"] == "zoe@customers.example"
    assert "Your account with Ma boutique has been deleted." in text_of(letter)


async def test_nothing_of_who_deleted_the_account_is_left(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock) as world:
        shop = await world.shop()
        for user in ("forgotten-zoe", "ben"):
            await shop.adds(f"?browser-of-{user}", "pot")
            await shop.registers(user, visitor=f"browser-of-{user}", lastName=f"Family-{user}")
            await shop.pays(user, f"order-{user}", "cup")
            await shop.ships(user, f"order-{user}")
            await shop.adds(user, "tea")
            await shop.track(user, "Product Viewed", product_id=f"seen-by-{user}")
        await shop.track("forgotten-zoe", "Invite Sent", invitee_email="friend@customers.example")
        await world.until("2026-03-06 12:00")
        before = (await world.ask("inspect", customer="ben"))["result"]
        assert (await world.service.store.size()).customers == 4
        await shop.track("forgotten-zoe", "Account Deleted")
        await world.until("2026-03-06 12:30")
        assert world.kinds("forgotten-zoe", "k31") == [("k31", "2026-03-06 12:00")]
        for gone in ("forgotten-zoe", "visitor:browser-of-forgotten-zoe"):
            answer = await world.ask("inspect", customer=gone)
            assert answer["error"]["code"] == "unknown_customer"
        assert (await world.ask("inspect", customer="ben"))["result"] == before
        assert (await world.service.store.size()).customers == 2
        assert {customer for customer, _, _ in await world.queue()} == {"ben"}
        assert await world.service.store.owners(["cup"], "", 10) == ["ben"]
        assert [row.customer_id for row in await world.service.store.buyers("", 10)] == ["ben"]
        await world.until("2026-03-20 10:00")
        assert world.kinds("forgotten-zoe")[-1] == ("k31", "2026-03-06 12:00")
    assert tables_with(tmp_path, "forgotten-zoe") == set()
    assert tables_with(tmp_path, "friend@customers.example") == set()
    kept = {"journal", "snapshots", "alarms", "outbox", "bought", "buyers", "addresses", "stands"}
    assert tables_with(tmp_path, "ben") == kept


async def test_the_farewell_is_erased_only_once_it_is_out(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock, rate=limit(1 / 3_600)) as world:
        shop = await world.shop()
        await shop.knows("ben")
        await shop.pays("ben", "o1", "cup")
        await shop.knows("zoe")
        await shop.track("zoe", "Account Deleted")
        await world.until("2026-03-02 10:59")
        assert await world.queue() == [("ben", "k11", "accepted"), ("zoe", "k31", "queued")]
        assert (await world.ask("inspect", customer="zoe"))["ok"]
        await world.until("2026-03-02 11:01")
        assert world.kinds("zoe") == [("k31", "2026-03-02 10:00")]
        assert not (await world.ask("inspect", customer="zoe"))["ok"]


async def test_who_cannot_be_written_to_is_erased_all_the_same(autojump_clock, tmp_path):
    async with open_world(tmp_path, autojump_clock) as world:
        shop = await world.shop()
        await shop.adds("zoe", "cup")
        await shop.track("zoe", "Account Deleted")
        await world.until("2026-03-05 10:01")
        assert world.kinds() == []
        assert not (await world.ask("inspect", customer="zoe"))["ok"]
    assert tables_with(tmp_path, "zoe") == set()


async def test_who_comes_back_begins_a_new_life(autojump_clock, world):
    shop = await world.shop()
    await shop.registers("zoe", firstName="Zoé")
    await shop.pays("zoe", "o1", "cup")
    await shop.track("zoe", "Account Deleted")
    await world.until("2026-03-09 10:00")
    await shop.registers("zoe", locale="en", consent=False)
    await world.until("2026-03-10 09:00")
    assert world.kinds("zoe", "k01") == [("k01", "2026-03-02 10:00"), ("k01", "2026-03-09 10:00")]
    welcome = [letter for letter in world.letters() if letter["X-Ecrm-Kind"] == "k01"][-1]
    assert "Zoé" not in text_of(welcome)
    state = (await world.ask("inspect", customer="zoe"))["result"]["state"]
    assert "orders" not in state
    assert "purchases" not in state
