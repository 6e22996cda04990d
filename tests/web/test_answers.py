from __future__ import annotations

import pytest

from ecrm import facts
from tests.visits import path, state_of

SCANNER = "Mozilla/5.0 (compatible; Mimecast)"


@pytest.fixture
async def question(world, autojump_clock):
    """The question to ana whether the parcel of order A-7 arrived well, read an hour later."""
    shop = await world.shop()
    await shop.knows("ana", locale="en")
    await shop.pays("ana", "A-7", "teapot", "cup")
    await shop.ships("ana", "A-7")
    await world.until("2026-03-20 12:00")
    return world.letter("k17")


async def scores(world):
    return [
        (fact.order_id, fact.score)
        for fact in await world.past("ana")
        if isinstance(fact, facts.SiteRated)
    ]


async def test_a_star_in_a_mail_is_an_answer(world, autojump_clock, question):
    status, text = await world.page(path("rate", question, 4))
    assert status == 200
    assert "You gave us <strong>4/5</strong>" in text
    await world.passes(10_000)
    assert await scores(world) == [("A-7", 4)]


async def test_the_same_star_counts_once(world, autojump_clock, question):
    for _ in range(3):
        await world.page(path("rate", question, 4))
        await world.passes(3_600_000)
    assert await scores(world) == [("A-7", 4)]


async def test_a_machine_that_follows_a_star_is_asked_to_confirm(world, autojump_clock, question):
    _, text = await world.page(path("rate", question, 4), user_agent=SCANNER)
    assert 'value="4" required checked' in text
    assert "Thank you!" not in text
    await world.passes(10_000)
    assert await scores(world) == []
    status, text = await world.page(path("rate", question, 4), {"score": "4"})
    assert (status, "Thank you!" in text) == (200, True)
    assert await scores(world) == [("A-7", 4)]


async def test_who_follows_all_stars_at_once_has_given_none(world, autojump_clock, question):
    for star in range(1, 6):
        await world.page(path("rate", question, star))
    await world.passes(10_000)
    assert await scores(world) == []


async def test_looking_at_the_head_of_a_star_is_no_answer(world, autojump_clock, question):
    client = world.service.web.app.test_client()
    answer = await client.head(path("rate", question, 5), headers={"User-Agent": "Firefox"})
    await world.passes(10_000)
    assert (answer.status_code, await scores(world)) == (200, [])


async def test_a_comment_comes_with_a_score_that_does_not_count_twice(
    world, autojump_clock, question
):
    link = path("rate", question, 4)
    await world.page(link)
    await world.passes(10_000)
    status, text = await world.page(link, {"score": "4", "noted": "4", "comment": "All whole."})
    assert (status, "Your words have reached us." in text) == (200, True)
    assert await scores(world) == [("A-7", 4)]
    [said] = [fact for fact in await world.past("ana") if isinstance(fact, facts.SurveyTaken)]
    assert (said.survey, said.about, said.score) == ("site-comment", "A-7", 4)
    rows = await world.service.store.journal("ana", before=None, limit=1)
    assert b"All whole." in rows[-1].message


async def test_a_score_can_be_corrected(world, autojump_clock, question):
    link = path("rate", question, 1)
    await world.page(link)
    await world.passes(10_000)
    _, text = await world.page(link, {"score": "5", "noted": "1", "comment": ""})
    assert "<strong>5/5</strong>" in text
    assert await scores(world) == [("A-7", 1), ("A-7", 5)]


@pytest.mark.parametrize("score", ["", "0", "6", "-1", "many", "²"])
async def test_a_score_that_is_none_is_asked_for_again(world, autojump_clock, question, score):
    status, text = await world.page(path("rate", question, 0), {"score": score})
    assert (status, "Choose a score from 1 to 5." in text) == (200, True)
    assert await scores(world) == []


async def test_a_review_is_written_and_told(world, autojump_clock, question):
    link = path("review", question, 1)
    status, text = await world.page(link)
    assert (status, "teapot" in text, "cup" in text) == (200, True, True)
    status, text = await world.page(link, {"score": "5", "review": "Pours <well>."})
    assert status == 200
    assert "Your review has reached us." in text
    assert (await state_of(world, "ana")).ratings == {"teapot": 5}


async def test_a_review_without_a_score_keeps_its_words(world, autojump_clock, question):
    _, text = await world.page(path("review", question, 1), {"review": "Pours <well>."})
    assert "Pours &lt;well&gt;." in text
    assert "Choose a score from 1 to 5." in text
    assert (await state_of(world, "ana")).ratings == {}


async def test_without_a_product_in_the_link_one_is_chosen(world, autojump_clock, question):
    status, text = await world.page(path("review", question, 0))
    assert status == 200
    assert "Which product?" in text
    assert path("review", question, 2) in text
    assert (await world.page(path("review", question, 9)))[0] == 200
