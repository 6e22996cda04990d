"""What comes back: bounces, complaints and refusals, by every door, to the end of their effect."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from structlog.testing import capture_logs

from actors import doors, spool
from actors.store.port import PauseRow, Settled
from ecrm import facts
from ecrm.links import LinkKey, LinkKeys
from ecrm.moment import days
from ecrm.programmes.confirmation import confirmation
from proto import notices
from tests import bouncing
from tests.bouncing import (
    basic,
    by_hook,
    by_lmtp,
    by_spool,
    message,
    postmark,
    return_path,
    spooled,
)
from tests.visits import mail_id_of, path, state_of
from tests.worlds import open_world

UNSUBSCRIBE = "u@shop.example"


@pytest.fixture
async def world(tmp_path, autojump_clock):
    """Monday 2 March 2026, ten in the morning in Paris; Postmark may tell what it knows."""
    section = doors.BouncesSection(postmark=bouncing.POSTMARK)
    async with open_world(tmp_path, autojump_clock, bounces=bouncing.MAILBOX, doors=section) as one:
        yield one


@pytest.fixture
async def shop(world, autojump_clock):
    shop = await world.shop()
    await shop.knows("ana")
    return shop


async def letter_of(world, shop, order_id="o1", user="ana"):
    """An order confirmation that was handed over."""
    await shop.pays(user, order_id, "tea")
    await world.clock.settled()
    return [one for one in world.letters() if one["X-Ecrm-Kind"] == "k11"][-1]


async def came(world, user="ana"):
    return [one for one in await world.past(user) if isinstance(one, facts.Returned)]


async def counted(world):
    return (await world.ask("status"))["result"]["returns"]


async def withheld(world, kind="k11", user="ana"):
    return [one.reason for one in await world.unsent(user, kind)]


async def lmtp(world, letter, raw):
    assert await by_lmtp(world, return_path(letter), raw) == ["250 2.1.5", "250 2.1.5"]


async def spooling(world, letter, raw):
    await by_spool(world, return_path(letter), raw)
    assert spooled(world) == []


async def hook(world, letter, _raw):
    body = postmark(letter, Details="550 5.1.1 user unknown")
    assert await by_hook(world, "postmark", body, Authorization=basic()) == 200


@pytest.mark.parametrize("door", [lmtp, spooling, hook])
async def test_a_hard_bounce_by_any_door_ends_the_mails_to_that_address(
    world, autojump_clock, shop, door
):
    letter = await letter_of(world, shop)
    await door(world, letter, message("postfix-unknown"))
    [fact] = await came(world)
    assert (fact.mail_id, fact.address) == (mail_id_of(letter), "ana@customers.example")
    assert (fact.verdict, fact.reason, fact.kind) == ("hard", "no_such_mailbox", "k11")
    await shop.pays("ana", "o2", "tea")
    await world.clock.settled()
    assert await withheld(world) == ["suppression"]
    assert await counted(world) == {"hard": 1}


async def test_whoever_else_has_the_address_is_not_written_to_either(world, autojump_clock, shop):
    letter = await letter_of(world, shop)
    await lmtp(world, letter, message("postfix-unknown"))
    await shop.knows("bob", email="Ana@customers.example")
    await shop.pays("bob", "o2", "tea")
    await world.clock.settled()
    assert await withheld(world, "k11", "bob") == ["suppressed"]


async def test_a_bounce_is_believed_by_its_return_path_and_not_by_whom_it_names(
    world, autojump_clock, shop
):
    """The report names another address, as after a forwarding; and nobody can read this one."""
    letter = await letter_of(world, shop)
    await lmtp(world, letter, message("exchange-unknown"))
    assert [fact.address for fact in await came(world)] == ["ana@customers.example"]
    await shop.knows("bob")
    second = await letter_of(world, shop, "o2", "bob")
    await lmtp(world, second, b"\xff\x00 550 5.1.1 user unknown\r\n")
    assert [(one.verdict, one.proved) for one in await came(world, "bob")] == [("unknown", True)]


async def test_what_is_repeated_counts_once_by_whatever_door(world, autojump_clock, shop):
    letter = await letter_of(world, shop)
    raw = message("postfix-unknown")
    for _ in range(2):
        await lmtp(world, letter, raw)
        await spooling(world, letter, raw)
        await hook(world, letter, raw)
    assert len(await came(world)) == 1
    assert await counted(world) == {"hard": 1}


async def test_a_claim_is_written_down_and_costs_nobody_anything(world, autojump_clock, shop):
    """Somebody who got the mail writes a bounce about it; they know its Message-ID."""
    letter = await letter_of(world, shop)
    raw = message("postfix-unknown", letter)
    for _ in range(3):
        assert await by_lmtp(world, bouncing.MAILBOX, raw) == ["250 2.1.5", "250 2.1.5"]
    [fact] = await came(world)
    assert (fact.verdict, fact.proved) == ("hard", False)
    await shop.pays("ana", "o2", "tea")
    await world.clock.settled()
    assert await withheld(world) == []
    assert await counted(world) == {"claimed": 1}


async def test_a_forged_return_path_changes_nothing(world, autojump_clock, shop):
    letter = await letter_of(world, shop)
    foreign = LinkKeys(LinkKey(1, b"another shop's secret"))
    true = return_path(letter)
    forged = true.replace(true[2:6], "aaaa" if true[2:6] != "aaaa" else "bbbb")
    for address in (return_path(letter, foreign), forged, "b+token@bounces.shop.example"):
        await by_lmtp(world, address, message("postfix-unknown"))
    answers = await by_lmtp(world, "b+x@elsewhere.example", b"x")
    assert answers[:2] == ["550 5.1.1", "503 5.5.1"]
    assert await came(world) == []
    assert await counted(world) == {"unmatched": 3}


async def test_five_soft_bounces_pause_the_address_and_thirty_days_later_mails_go_again(
    tmp_path, autojump_clock
):
    """Only confirmations are sent: nothing is taken that does not come back."""
    async with open_world(
        tmp_path, autojump_clock, bounces=bouncing.MAILBOX, programmes=(confirmation,)
    ) as world:
        shop = await world.shop()
        await shop.knows("ana")
        await pauses_for_a_month(world, shop)


async def pauses_for_a_month(world, shop):
    for n in range(5):
        letter = await letter_of(world, shop, f"o{n}")
        await lmtp(world, letter, message("orange-full"))
        await world.passes(days(2))
    await shop.pays("ana", "during", "tea")
    await world.clock.settled()
    assert await withheld(world) == ["suppression"]
    await world.passes(days(28))
    letter = await letter_of(world, shop, "after")
    assert "after" in str(letter)
    assert await withheld(world) == ["suppression"]


async def test_who_complains_gets_no_more_marketing_and_is_told_of_orders_still(
    world, autojump_clock
):
    shop = await world.shop()
    await shop.registers("ana")
    await world.until("2026-03-09 12:00")
    letter = [one for one in world.letters() if one["List-Unsubscribe"]][-1]
    raw = message("arf-redacted").replace(
        b"b+token@bounces.shop.example", return_path(letter).encode()
    )
    await by_spool(world, "fbl@shop.example", raw)
    assert [fact.verdict for fact in await came(world)] == ["complaint"]
    await world.passes(days(15))
    marketing = [one for one in world.mails("ana") if one.kind in ("k02", "k03", "k04", "k05")]
    assert [one.kind for one in marketing if one.at > "2026-03-09 12:00"] == []
    await letter_of(world, shop, "o1")
    assert (await state_of(world, "ana")).consents["email_marketing"].source == "complaint/mail"


async def test_a_block_changes_nothing_about_the_recipient_and_alarms_the_operator(
    world, autojump_clock, shop
):
    letter = await letter_of(world, shop)
    with capture_logs() as logs:
        await lmtp(world, letter, message("rbl-spamhaus"))
    [alarm] = [one for one in logs if one["event"] == "mail_blocked"]
    assert alarm["log_level"] == "warning"
    assert (alarm["programme"], alarm["destination"]) == ("confirmation", "customers.example")
    status = (await world.ask("status"))["result"]
    assert status["returns"] == {"block": 1}
    assert status["blocked"] == {"confirmation at customers.example": 1}
    await letter_of(world, shop, "o2")
    assert await withheld(world) == []
    assert (await state_of(world, "ana")).mailboxes == {}


async def test_an_absence_note_is_nothing_but_a_number(world, autojump_clock, shop):
    letter = await letter_of(world, shop)
    before = await world.past("ana")
    await lmtp(world, letter, message("absence-french"))
    assert await world.past("ana") == before
    assert await counted(world) == {"auto_reply": 1}


async def test_a_bounce_about_somebody_who_was_erased_is_nobodys(world, autojump_clock, shop):
    letter = await letter_of(world, shop)
    await shop.track("ana", "Account Deleted")
    await world.passes(days(2))
    await lmtp(world, letter, message("postfix-unknown"))
    assert await world.past("ana") == []
    assert await counted(world) == {"unmatched": 1}


async def test_an_invited_stranger_who_complains_is_left_alone_and_the_host_is_not_blamed(
    world, autojump_clock, shop
):
    await shop.track(
        "ana", "Invite Sent", invitee_email="bob@post.example", invitee_first_name="Bob"
    )
    await world.passes(days(1))
    invitation = world.letter("k41")
    raw = message("arf-redacted").replace(b"b+token@bounces.shop.example", b"x@y.example")
    await lmtp(world, invitation, raw)
    assert (await state_of(world, "ana")).consents["email_marketing"].granted
    await shop.knows("eve")
    await shop.track("eve", "Invite Sent", invitee_email="bob@post.example", invitee_first_name="B")
    await world.passes(days(1))
    assert await withheld(world, "k41", "eve") == ["suppressed"]


# The spool.


async def test_what_came_while_the_service_was_down_is_read_when_it_starts(
    tmp_path, autojump_clock
):
    section = {"bounces": bouncing.MAILBOX}
    async with open_world(tmp_path, autojump_clock, **section) as world:
        shop = await world.shop()
        await shop.knows("ana")
        letter = await letter_of(world, shop)
        folder = world.service.settings.spool
    spool.put(
        folder,
        "",
        b"X-Original-To: " + return_path(letter).encode() + b"\n" + message("gmail-unknown"),
    )
    async with open_world(tmp_path, autojump_clock, **section) as world:
        await world.clock.settled()
        assert [fact.verdict for fact in await came(world)] == ["hard"]
        assert spooled(world) == []


async def test_what_cannot_be_read_keeps_nothing_else_from_being_read(world, autojump_clock, shop):
    letter = await letter_of(world, shop)
    (world.service.settings.spool / "new" / "0").mkdir(parents=True)
    await by_spool(world, return_path(letter), message("postfix-unknown"))
    assert [fact.verdict for fact in await came(world)] == ["hard"]
    assert spooled(world) == ["0"]


# Refusals.


async def test_a_refusal_at_the_door_suppresses_like_a_bounce(world, autojump_clock, shop):
    """The store is told what the SMTP transport would tell it of an unknown mailbox."""
    store = world.service.store
    await world.service.delivery.pause(PauseRow("all", "", "", world.clock.now()))
    await shop.pays("ana", "o1", "tea")
    await world.clock.settled()
    [row] = await store.queue_rows("queued", None, 9)
    response = "rcpt: 550 5.1.1 no such user"
    await store.settle(world.clock.now(), [Settled(row.mail_id, "dead", response, bounce="hard")])
    world.service.reports.bell.ring()
    await world.clock.settled()
    await world.service.delivery.resume("all", "")
    await shop.pays("ana", "o2", "tea")
    await world.clock.settled()
    assert await withheld(world) == ["dead", "suppression"]
    assert await counted(world) == {"hard": 1}


# Leaving by mail.


@pytest.fixture
async def leaving(tmp_path, autojump_clock):
    async with open_world(tmp_path, autojump_clock) as one:
        mail = msgspec.structs.replace(one.service.settings.mail, unsubscribe=UNSUBSCRIBE)
    async with open_world(tmp_path, autojump_clock, mail=mail) as one:
        yield one


async def test_a_mail_to_the_address_in_the_header_unsubscribes_once(leaving, autojump_clock):
    world = leaving
    shop = await world.shop()
    await shop.registers("ana")
    await world.until("2026-03-09 12:00")
    letter = [one for one in world.letters() if one["List-Unsubscribe"]][-1]
    offered = str(letter["List-Unsubscribe"])
    address = offered.partition("mailto:")[2].partition("?")[0]
    for _ in range(2):
        assert await by_lmtp(world, address, message("person")) == ["250 2.1.5", "250 2.1.5"]
    past = await world.past("ana")
    denied = [one for one in past if isinstance(one, facts.ConsentChanged) and not one.granted]
    assert [one.source for one in denied] == ["mail"]
    made_up = path("unsubscribe", letter, keys=LinkKeys(LinkKey(1, b"another shop's secret")))
    forged = f"u+{made_up.rpartition('/')[2]}@shop.example"
    assert await by_lmtp(world, forged, b"x") == ["250 2.1.5", "250 2.1.5"]
    assert (await counted(world))["unmatched"] == 1


# The operator and the shop.


async def test_an_operator_lets_an_address_be_written_to_again(world, autojump_clock, shop):
    letter = await letter_of(world, shop)
    await lmtp(world, letter, message("postfix-unknown"))
    seen = (await world.ask("inspect", customer="ana"))["result"]["state"]["mailboxes"]
    assert seen["ana@customers.example"]["bans"] == {"all": {"reason": "hard_bounce"}}
    answer = await world.ask("unsuppress", customer="ana", reason="mended")
    assert answer["result"]["address"] == "ana@customers.example"
    await letter_of(world, shop, "o2")
    assert await withheld(world) == []
    freed = [one for one in await world.past("ana") if isinstance(one, facts.AddressFreed)]
    assert [(one.address, one.why) for one in freed] == [("ana@customers.example", "mended")]


async def test_back_ends_hear_of_bounces_and_complaints(world, autojump_clock, shop):
    heard = []
    world.service.system.listeners.append(heard.append)
    letter = await letter_of(world, shop)
    await lmtp(world, letter, message("postfix-unknown"))
    body = postmark(letter, RecordType="SpamComplaint", number=2)
    await by_hook(world, "postmark", body, Authorization=basic())
    told = Counter(type(one) for one in heard)
    assert (told[notices.EmailBounced], told[notices.EmailMarkedAsSpam]) == (1, 1)
