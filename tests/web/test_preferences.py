from __future__ import annotations

import re

import msgspec
import pytest

from ecrm import facts
from tests.visits import path, state_of


@pytest.fixture
async def page(world, autojump_clock):
    """The preference centre of ana, who agreed to letters and said nothing else."""
    shop = await world.shop()
    await shop.registers("ana", locale="en", firstName="Ana")
    await world.passes(60_000)
    return path("preferences", world.letter("k01"))


def checked(text, name):
    """What a form shows as chosen under this name."""
    radios = re.findall(rf'name="{re.escape(name)}" value="(\w*)" checked', text)
    menu = re.search(rf'name="{re.escape(name)}">(.*?)</select>', text, re.DOTALL)
    return radios + (re.findall(r'value="(\w*)" selected', menu[1]) if menu else [])


async def test_the_page_shows_what_stands(world, autojump_clock, page):
    status, text = await world.page(page)
    assert status == 200
    assert "ana@customers.example" in text
    names = ("email_marketing", "frequency", "topic.news", "digest.comment", "language")
    assert [checked(text, name) for name in names] == [["granted"], [""], ["yes"], [""], ["en"]]


async def test_an_unanswered_consent_shows_no_answer(world, autojump_clock, page):
    _, text = await world.page(page)
    assert checked(text, "open_tracking") == checked(text, "click_tracking") == []


async def test_looking_tells_nothing_and_saving_what_stands_neither(world, autojump_clock, page):
    before = await world.past("ana")
    await world.page(page)
    same = {"email_marketing": "granted", "frequency": "", "topic.news": "yes", "language": "en"}
    status, text = await world.page(page, same)
    assert (status, await world.past("ana")) == (200, before)
    assert "Your choices are saved." in text


async def test_what_is_chosen_is_told_and_shown(world, autojump_clock, page):
    chosen = {
        "email_marketing": "denied",
        "frequency": "monthly",
        "topic.news": "no",
        "digest.comment": "weekly",
        "digest.shipping": "off",
        "language": "fr",
        "open_tracking": "granted",
        "click_tracking": "denied",
    }
    status, text = await world.page(page, chosen)
    assert status == 200
    assert "Vos choix sont enregistrés." in text
    assert {name: checked(text, name) for name in chosen} == {
        name: [value] for name, value in chosen.items()
    }
    state = await state_of(world, "ana")
    assert {name: said.granted for name, said in state.consents.items()} == {
        "email_marketing": False,
        "open_tracking": True,
        "click_tracking": False,
    }
    assert (state.wish.count, state.person.locale) == (1, "fr")
    assert state.topics == {"news": False, "comment": True}
    assert state.digests == {"comment": "weekly", "shipping": "off"}


async def test_what_is_not_in_the_form_stays(world, autojump_clock, page):
    await world.page(page, {"frequency": "weekly"})
    state = await state_of(world, "ana")
    assert [*state.consents] == ["email_marketing"]
    assert (state.wish.count, state.topics, state.digests) == (1, {}, {})


async def test_what_the_form_never_offered_is_not_told(world, autojump_clock, page):
    before = await world.past("ana")
    odd = {"frequency": "hourly", "topic.news": "perhaps", "language": "xx", "open_tracking": "1"}
    assert (await world.page(page, odd))[0] == 200
    assert await world.past("ana") == before


@pytest.mark.parametrize(("index", "wish"), [(1, "weekly"), (2, "monthly"), (3, "never")])
async def test_a_frequency_in_a_mail_is_proposed_and_one_tap_confirms_it(
    world, autojump_clock, page, index, wish
):
    link = path("preferences", world.letter("k01"), index)
    before = await world.past("ana")
    _, text = await world.page(link)
    assert f'type="hidden" name="frequency" value="{wish}"' in text
    assert await world.past("ana") == before
    await world.page(link, {"frequency": wish})
    _, text = await world.page(link)
    assert "That is your choice already." in text
    assert checked(text, "frequency") == [wish]


async def test_pressed_twice_it_is_said_once(world, autojump_clock, page):
    for _ in range(2):
        await world.page(page, {"open_tracking": "granted"})
    said = [fact for fact in await world.past("ana") if isinstance(fact, facts.ConsentChanged)]
    assert [fact.purpose for fact in said] == ["email_marketing", "open_tracking"]


async def test_a_mail_to_a_former_address_opens_no_account(world, autojump_clock, page):
    shop = await world.shop()
    await shop.track(
        "ana",
        "Email Changed",
        old_email="ana@customers.example",
        new_email="ana@elsewhere.example",
    )
    for tail in ("", "/data", "/data.json", "/erase"):
        status, text = await world.page(page + tail)
        assert (status, "ana@elsewhere.example" in text) == (404, False)
    assert (await world.page(page, {"frequency": "never"}))[0] == 404
    assert (await state_of(world, "ana")).wish is None


async def test_my_data_are_shown_and_can_be_taken_along(world, autojump_clock, page):
    shop = await world.shop()
    await shop.pays("ana", "A-7", "teapot")
    await world.passes(60_000)
    status, text = await world.page(page + "/data")
    assert status == 200
    for known in (
        "ana@customers.example",
        "Ana",
        "A-7",
        "teapot",
        "Order A-7 confirmed: thank you!</a>",
    ):
        assert known in text
    status, taken = await world.page(page + "/data.json")
    found = msgspec.json.decode(taken)
    assert (status, found["customer"]) == (200, "ana")
    assert found["state"]["person"]["email"] == "ana@customers.example"
    assert [sent["kind"] for sent in found["mails"]] == ["k11", "k01"]
    assert len(found["history"]) == len(await world.past("ana"))


async def test_my_mails_are_named_as_they_came_and_no_code_is_shown(world, autojump_clock, page):
    shop = await world.shop()
    code = {"code": "831472", "expires_at": "2026-03-02T11:00:00Z"}
    await shop.track("ana", "Verification Code Requested", **code)
    await shop.track("ana", "Invite Sent", invitee_email="zoe@friends.example")
    await world.passes(60_000)
    _, text = await world.page(page + "/data")
    listed = re.findall(r"<li>(?:.*?) – (.*?)</li>", text)
    assert [re.sub("<.*?>", "", one) for one in listed] == [
        "A code or a link for you alone, which is not shown again",
        str(world.letter("k01")["Subject"]),
    ]
    assert "831472" not in text


async def test_erasing_is_asked_first_and_then_leaves_nothing(world, autojump_clock, page):
    status, text = await world.page(page + "/erase")
    assert (status, "It cannot be undone." in text) == (200, True)
    assert (await state_of(world, "ana")).closed_at is None
    assert (await world.page(page + "/erase", {}))[0] == 200
    await world.passes(3_600_000)
    assert world.letter("k31")["To"] == "ana@customers.example"
    assert await world.past("ana") == []
    assert (await world.page(page))[0] == 404
