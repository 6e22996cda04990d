from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from actors.settings import WebSection
from ecrm import facts, tracking
from tests.visits import followed, html_of, mail_id_of, path, state_of
from tests.worlds import BROWSER, open_world, text_of

FOLLOWED = ("open_tracking", "click_tracking")
SCANNER = "Mozilla/5.0 (compatible; Barracuda)"


async def letter_to_ana(world, *granted, denied=()):
    """A reminder of her cart, which lies in the mailbox for an hour."""
    shop = await world.shop()
    await shop.knows("ana", locale="en")
    for purpose in (*granted, *denied):
        state = "denied" if purpose in denied else "granted"
        await shop.track("ana", "Consent Updated", purpose=purpose, state=state)
    front = world.service.settings.shop.public_url
    await shop.adds("ana", "teapot", url=f"{front}/teapot?a=1&b=2")
    await shop.adds("ana", "cup", url="https://elsewhere.example/cup")
    await world.passes(3 * 3_600_000)
    return world.letter("k07")


@pytest.fixture
async def letter(world, autojump_clock):
    return await letter_to_ana(world, *FOLLOWED)


async def seen(world):
    kinds = (facts.Opened, facts.Clicked)
    return [fact for fact in await world.past("ana") if isinstance(fact, kinds)]


def picture(letter):
    return path("open", letter)


@pytest.mark.parametrize("denied", [(), FOLLOWED])
async def test_without_a_yes_a_mail_has_no_picture_and_plain_links(world, autojump_clock, denied):
    letter = await letter_to_ana(world, denied=denied)
    assert "/o/" not in html_of(letter)
    assert "/c/" not in html_of(letter) + text_of(letter)
    assert "/teapot?a=1&b=2" in text_of(letter)


async def test_opens_and_clicks_are_asked_for_apart(world, autojump_clock):
    letter = await letter_to_ana(world, "open_tracking")
    assert picture(letter) in html_of(letter)
    assert followed(letter) == []


async def test_only_the_shops_own_pages_lead_over_the_service(world, autojump_clock, letter):
    assert "https://elsewhere.example/cup" in text_of(letter)
    assert "/teapot" not in text_of(letter) + html_of(letter)
    for purpose in ("unsubscribe", "preferences", "view"):
        assert path(purpose, letter) in html_of(letter)


async def test_a_followed_link_leads_where_the_mail_meant(world, autojump_clock, letter):
    client = world.service.web.app.test_client()
    answers = [await client.get(way) for way in followed(letter)]
    front = world.service.settings.shop.public_url
    assert [one.headers["Location"] for one in answers] == [
        front + "/teapot?a=1&b=2",
        front,
        front,
    ]
    assert {one.status_code for one in answers} == {302}
    assert {one.headers["Referrer-Policy"] for one in answers} == {"no-referrer"}


async def test_a_person_who_clicks_is_known_to_have_clicked(world, autojump_clock, letter):
    status, _ = await world.page(followed(letter)[0])
    assert status == 302
    await world.passes(10_000)
    [click] = await seen(world)
    assert (type(click), click.mail_id) == (facts.Clicked, mail_id_of(letter))
    assert (await state_of(world, "ana")).engagement.clicked_at is not None


async def test_a_person_who_opens_is_known_to_have_opened(world, autojump_clock, letter):
    client = world.service.web.app.test_client()
    answer = await client.get(picture(letter), headers={"User-Agent": "Thunderbird/140.0"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/gif")
    assert answer.headers["Cache-Control"] == "no-store"
    await world.passes(10_000)
    [opening] = await seen(world)
    assert (opening.mail_id, opening.human) == (mail_id_of(letter), True)


async def test_a_machine_that_opens_tells_the_day_and_nobody(world, autojump_clock, letter):
    await world.page(picture(letter), user_agent="Mozilla/5.0")
    await world.passes(10_000)
    assert [opening.human for opening in await seen(world)] == [False]


async def test_a_scanner_leads_nobody_to_be_thought_a_clicker(world, autojump_clock, letter):
    await world.page(followed(letter)[0], user_agent=SCANNER)
    await world.passes(10_000)
    assert await seen(world) == []


async def test_all_links_at_once_are_no_persons(world, autojump_clock, letter):
    ways = [path("click", letter, index) for index in (1, 2)] + [path("click", letter, 0)]
    for way in ways:
        assert (await world.page(way))[0] == 302
    await world.passes(10_000)
    assert await seen(world) == []


async def test_the_head_of_a_link_is_answered_and_not_recorded(world, autojump_clock, letter):
    client = world.service.web.app.test_client()
    answer = await client.head(followed(letter)[0], headers={"User-Agent": "Firefox/140"})
    await world.passes(10_000)
    assert (answer.status_code, await seen(world)) == (302, [])


async def test_taken_back_a_consent_holds_for_mails_already_sent(world, autojump_clock, letter):
    shop = await world.shop()
    for purpose in FOLLOWED:
        await shop.track("ana", "Consent Updated", purpose=purpose, state="denied")
    assert (await world.page(followed(letter)[0]))[0] == 302
    assert (await world.page(picture(letter)))[0] == 200
    await world.passes(10_000)
    assert await seen(world) == []
    assert await world.service.store.trail.unjudged(9) == []


@pytest.mark.parametrize("bad", ["/c/x", "/c/" + "A" * 48])
async def test_a_link_that_is_not_ours_leads_nowhere(world, autojump_clock, letter, bad):
    assert (await world.page(bad))[0] == 404
    assert (await world.page(followed(letter)[0] + "?url=https://evil.example"))[0] == 302


async def leads(world, way):
    return (await world.service.web.app.test_client().get(way)).headers["Location"]


async def test_a_place_that_is_not_known_leads_to_the_shop_and_counts_for_nothing(
    world, autojump_clock, letter
):
    front = world.service.settings.shop.public_url
    assert await leads(world, path("click", letter, 99)) == front
    await world.passes(10_000)
    assert await seen(world) == []


async def test_years_later_a_followed_link_leads_to_the_shop_and_counts_for_nothing(
    world, autojump_clock, letter
):
    front = world.service.settings.shop.public_url
    way = followed(letter)[0]
    assert await leads(world, way) == front + "/teapot?a=1&b=2"
    await world.passes(10_000)
    before = await seen(world)
    await world.passes(tracking.FOLLOWED_FOR)
    assert await leads(world, way) == front
    await world.passes(10_000)
    assert (len(before), await seen(world)) == (1, before)


async def test_the_network_of_a_hit_is_what_a_trusted_proxy_says(tmp_path, autojump_clock):
    web = WebSection(trusted_proxies=("127.0.0.1",))
    async with open_world(tmp_path, autojump_clock, web=web) as world:
        way = followed(await letter_to_ana(world, *FOLLOWED))[0]
        for peer, says in (("127.0.0.1", "9.9.9.9, 8.8.4.4"), ("8.8.8.8", "9.9.9.9")):
            await world.service.web.app.test_client().get(
                way,
                headers={"User-Agent": BROWSER, "X-Forwarded-For": says},
                scope_base={"client": (peer, 1)},
            )
        await world.passes(1_000)
    with closing(sqlite3.connect(world.service.settings.database)) as rows:
        found = [one for (one,) in rows.execute("SELECT network FROM hits ORDER BY arrival")]
    assert found == ["8.8.4.0/24", "8.8.8.0/24"]


async def test_any_picture_is_the_same_point(world, autojump_clock, letter):
    client = world.service.web.app.test_client()
    bodies = [await (await client.get(way)).get_data() for way in ("/o/x", picture(letter))]
    assert bodies[0] == bodies[1]
    assert bodies[0].startswith(b"GIF89a")


async def test_an_erased_customer_leaves_no_trail(world, autojump_clock, letter):
    way = followed(letter)[0]
    shop = await world.shop()
    await shop.track("ana", "Account Deleted")
    await world.passes(3_600_000)
    assert await world.past("ana") == []
    assert await world.service.store.trail.link(mail_id_of(letter), 1) is None
    assert await leads(world, way) == world.service.settings.shop.public_url


async def test_a_mail_can_be_read_in_a_browser_without_being_followed(
    world, autojump_clock, letter
):
    client = world.service.web.app.test_client()
    answer = await client.get(path("view", letter))
    text = await answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "teapot" in text
    assert "/c/" not in text
    assert "/o/" not in text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy


async def test_a_code_is_never_shown_again(world, autojump_clock):
    shop = await world.shop()
    await shop.knows("ana")
    await shop.track(
        "ana", "Verification Code Requested", code="123456", expires_at="2026-03-02T10:00:00Z"
    )
    await world.passes(60_000)
    assert (await world.page(path("view", world.letter("k29"))))[0] == 404
