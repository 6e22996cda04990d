from __future__ import annotations

import pytest
import trio

from ecrm import facts
from ecrm.links import LinkKey, LinkKeys
from tests.visits import path, state_of

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def letter(world, autojump_clock):
    """A marketing letter to ana: the welcome of the first week."""
    shop = await world.shop()
    await shop.registers("ana", locale="en", firstName="Ana")
    await world.until("2026-03-09 12:00")
    [found] = [one for one in world.letters() if one["List-Unsubscribe"]]
    return found


async def denials(world, customer="ana"):
    past = await world.past(customer)
    return [
        (fact.purpose, fact.source)
        for fact in past
        if isinstance(fact, facts.ConsentChanged) and not fact.granted
    ]


async def test_one_click_as_the_header_offers_it_unsubscribes(world, autojump_clock, letter):
    url = str(letter["List-Unsubscribe"]).strip("<>").partition(">")[0]
    assert str(letter["List-Unsubscribe-Post"]) == "List-Unsubscribe=One-Click"
    status, _ = await world.page(url, ONE_CLICK)
    assert status == 200
    assert await denials(world) == [("email_marketing", "one-click")]


async def test_one_click_comes_as_multipart_too_and_without_a_browser(
    world, autojump_clock, letter
):
    body = (
        b'--B\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--B--'
    )
    client = world.service.web.app.test_client()
    answer = await client.post(
        path("unsubscribe", letter),
        data=body,
        headers={"Content-Type": "multipart/form-data; boundary=B", "User-Agent": ""},
    )
    assert answer.status_code == 200
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert await denials(world) == [("email_marketing", "one-click")]


async def posted_bare(world, where, body):
    """The status of a POST with the fewest headers there can be: no user agent, no Accept."""
    said = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": where, "raw_path": where.encode(), "query_string": b"",
        "root_path": "", "client": ("203.0.113.7", 1), "server": ("x", 80), "extensions": {},
        "headers": [
            (b"host", b"x"),
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", str(len(body)).encode()),
        ],
    }  # fmt: skip
    whole = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        return whole.pop() if whole else await trio.sleep_forever()

    async def send(event):
        said.append(event)

    await world.service.web.app(scope, receive, send)
    return said[0]["status"]


async def test_one_click_needs_no_user_agent(world, autojump_clock, letter):
    status = await posted_bare(world, path("unsubscribe", letter), b"List-Unsubscribe=One-Click")
    assert status == 200
    assert await denials(world) == [("email_marketing", "one-click")]


async def test_a_scanner_may_unsubscribe_for_its_reader(world, autojump_clock, letter):
    status, _ = await world.page(
        path("unsubscribe", letter), ONE_CLICK, user_agent="Barracuda Sentinel"
    )
    assert status == 200
    assert len(await denials(world)) == 1


async def test_unsubscribing_twice_is_unsubscribing_once(world, autojump_clock, letter):
    for _ in range(2):
        status, _ = await world.page(path("unsubscribe", letter), ONE_CLICK)
        assert status == 200
    assert await denials(world) == [("email_marketing", "one-click")]


async def test_a_look_at_the_page_changes_nothing(world, autojump_clock, letter):
    status, text = await world.page(path("unsubscribe", letter))
    assert status == 200
    assert "Stop our news and offers?" in text
    assert await denials(world) == []


async def test_the_page_for_people_unsubscribes_with_its_button(world, autojump_clock, letter):
    status, text = await world.page(path("unsubscribe", letter), {})
    assert status == 200
    assert "You will get no more news and no more offers from us. An email" in text
    assert await denials(world) == [("email_marketing", "page")]


async def test_whoever_left_gets_no_more_letters(world, autojump_clock, letter):
    await world.page(path("unsubscribe", letter), ONE_CLICK)
    before = len(world.letters())
    await world.until("2026-04-30 12:00")
    assert len(world.letters()) == before
    assert (await state_of(world, "ana")).consents["email_marketing"].granted is False


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_token_of_another_house_changes_nothing_and_says_so(
    world, autojump_clock, letter, method
):
    foreign = LinkKeys(LinkKey(1, b"f" * 32))
    form = None if method == "GET" else ONE_CLICK
    status, text = await world.page(path("unsubscribe", letter, keys=foreign), form)
    assert status == 404
    assert "Rien n’a été modifié." in text
    assert await denials(world) == []


async def test_a_token_tampered_with_changes_nothing(world, autojump_clock, letter):
    good = path("unsubscribe", letter)
    swapped = "A" if good[10] != "A" else "B"
    for bad in (good[:-1], good + "A", good[:10] + swapped + good[11:], "/u/x"):
        assert (await world.page(bad, ONE_CLICK))[0] == 404
    assert await denials(world) == []


async def test_whoever_left_by_mistake_is_back_with_one_tap(world, autojump_clock, letter):
    await world.page(path("unsubscribe", letter), {})
    undo = {"email_marketing": "granted"}
    status, text = await world.page(path("preferences", letter), undo)
    assert (status, "Your choices are saved." in text) == (200, True)
    consent = (await state_of(world, "ana")).consents["email_marketing"]
    assert (consent.granted, consent.source) == (True, "page")


@pytest.mark.parametrize("form", [None, ONE_CLICK])
async def test_where_it_is_not_known_whose_mail_it_was_the_page_says_what_to_do(
    world, autojump_clock, letter, form
):
    shop = await world.shop()
    await shop.track("ana", "Account Deleted")
    await world.passes(3_600_000)
    status, text = await world.page(path("unsubscribe", letter), form, Accept_Language="en")
    assert status == 410
    assert "Nothing was changed." in text
    assert "mailto:bonjour@boutique.example?subject=Unsubscribe%20me" in text


async def test_a_year_later_a_mail_still_unsubscribes(world, autojump_clock, letter):
    await world.until("2027-03-02 12:00")
    assert (await world.page(path("unsubscribe", letter), ONE_CLICK))[0] == 200
    assert await denials(world) == [("email_marketing", "one-click")]


async def test_a_token_to_look_at_a_mail_unsubscribes_nobody(world, autojump_clock, letter):
    token = path("view", letter).removeprefix("/v/")
    assert (await world.page(f"/u/{token}", ONE_CLICK))[0] == 404
    assert await denials(world) == []


async def test_of_a_mail_that_is_gone_every_other_page_says_what_it_says_of_a_bad_token(
    world, autojump_clock, letter
):
    _, bad = await world.page("/p/x")
    shop = await world.shop()
    await shop.track("ana", "Account Deleted")
    await world.passes(3_600_000)
    for purpose in ("preferences", "view", "rate", "review"):
        assert await world.page(path(purpose, letter)) == (404, bad)


async def test_a_stranger_gets_no_more_invitations_and_nothing_else_changes(world, autojump_clock):
    shop = await world.shop()
    await shop.knows("bea", firstName="Bea")
    await shop.track("bea", "Invite Sent", invitee_email="zoe@friends.example")
    await world.passes(60_000)
    letter = world.letter("k41")
    before = await world.past("bea")
    status, text = await world.page(path("unsubscribe", letter), {})
    assert status == 200
    assert "invitations" in text
    assert await world.past("bea") == before
    await shop.knows("carl")
    await shop.track("carl", "Invite Sent", invitee_email="Zoe@Friends.example")
    await world.passes(60_000)
    assert [kind for kind, _ in world.kinds(None, "k41")] == ["k41"]


async def test_a_stranger_has_no_preferences_to_look_at(world, autojump_clock):
    shop = await world.shop()
    await shop.knows("bea")
    await shop.track("bea", "Invite Sent", invitee_email="zoe@friends.example")
    await world.passes(60_000)
    letter = world.letter("k41")
    pages = [
        path("preferences", letter),
        path("preferences", letter) + "/data",
        path("rate", letter, 5),
    ]
    assert [(await world.page(page))[0] for page in pages] == [404, 404, 404]
