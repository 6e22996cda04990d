"""Support requests (k42 to k44): acknowledged, told to each party, and asked about at the end."""

from __future__ import annotations

from tests.worlds import Unsent, text_of

PARTIES = ("agent@boutique.example", "zoe@customers.example", "seller@market.example")
TICKET = {"ticket_id": "T-9", "subject": "A broken cup", "parties": PARTIES}


async def opened(world, **traits):
    """A request of Monday 2 March, ten o'clock."""
    shop = await world.shop()
    await shop.knows("zoe", locale="en", **traits)
    await shop.track("zoe", "Support Ticket Opened", status="received", **TICKET)
    return shop


def assert_owed(letter):
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["List-Id"] is letter["List-Unsubscribe"] is letter["List-Unsubscribe-Post"]


async def test_a_request_is_acknowledged_at_once_to_who_made_it(autojump_clock, world):
    await opened(world, consent=False)
    await world.until("2026-03-20 10:00")
    assert world.kinds() == [("k42", "2026-03-02 10:00")]
    letter = world.letter("k42")
    assert_owed(letter)
    assert letter["To"] == "zoe@customers.example"
    assert letter["Subject"] == "We have received your request T-9"
    text = text_of(letter)
    assert "Request number: T-9" in text
    assert "Subject: A broken cup" in text
    assert "Status: received" in text


async def test_each_step_is_told_to_each_party_once(autojump_clock, world):
    shop = await opened(world, consent=False)
    await shop.consents("zoe", "denied")
    await world.until("2026-03-03 23:15")
    await shop.track("zoe", "Support Ticket Updated", status="in progress", **TICKET)
    await world.until("2026-03-04 11:00")
    await shop.track("zoe", "Support Ticket Updated", status="waiting", **TICKET)
    await world.until("2026-03-10 10:00")
    told = [mail for mail in world.mails("zoe") if mail.kind == "k43"]
    assert sorted((mail.at, mail.to) for mail in told) == sorted(
        (at, to) for at in ("2026-03-03 23:15", "2026-03-04 11:00") for to in PARTIES
    )
    for letter in world.letters():
        assert_owed(letter)
    text = text_of(world.letters()[1])
    assert "An update" in world.letters()[1]["Subject"]
    assert "Status: in progress" in text
    # It is read by others as well: it calls nobody by name.
    assert text.startswith("Hello,\n")


async def test_each_party_has_a_mail_of_its_own(autojump_clock, world):
    shop = await opened(world, firstName="Zoé")
    await shop.track("zoe", "Support Ticket Updated", **TICKET)
    await world.passes(0)
    told = [letter for letter in world.letters() if letter["X-Ecrm-Kind"] == "k43"]
    assert {str(letter["To"]) for letter in told} == set(PARTIES)
    assert all(len(letter["To"].addresses) == 1 for letter in told)
    assert all(letter["Cc"] is None for letter in told)
    assert len({letter["Message-ID"] for letter in told}) == 3
    for letter in told:
        others = {*PARTIES} - {str(letter["To"])}
        assert not any(other in text_of(letter) for other in others)


async def test_a_party_that_cannot_be_written_to_keeps_it_from_nobody_else(autojump_clock, world):
    shop = await opened(world)
    parties = ["a@-.example", "seller@market.example"]
    await shop.track("zoe", "Support Ticket Updated", ticket_id="T-9", parties=parties)
    await world.passes(0)
    told = {mail.to for mail in world.mails("zoe") if mail.kind == "k43"}
    assert told == {"zoe@customers.example", "seller@market.example"}


async def test_the_end_is_told_and_asked_about_two_days_later(autojump_clock, world):
    shop = await opened(world)
    await world.until("2026-03-05 14:20")
    await shop.track("zoe", "Support Ticket Closed", status="solved", **TICKET)
    await world.until("2026-03-30 10:00")
    assert world.kinds("zoe", "k43") == [("k43", "2026-03-05 14:20")] * 3
    assert world.kinds("zoe", "k44") == [("k44", "2026-03-07 14:20")]
    closed = [letter for letter in world.letters() if letter["X-Ecrm-Kind"] == "k43"]
    assert {str(letter["Subject"]) for letter in closed} == {"Request T-9 is closed"}
    survey = world.letter("k44")
    assert survey["To"] == "zoe@customers.example"
    assert survey["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text = text_of(survey)
    assert "“A broken cup”" in text
    assert "5/5 (Very satisfied): http" in text


async def test_the_survey_is_marketing_and_waits_for_the_morning(autojump_clock, world):
    shop = await opened(world)
    await world.until("2026-03-05 22:40")
    await shop.track("zoe", "Support Ticket Closed", **TICKET)
    await world.until("2026-03-30 10:00")
    assert world.kinds("zoe", "k44") == [("k44", "2026-03-08 08:00")]


async def test_the_survey_is_not_asked_of_who_denied_it(autojump_clock, world):
    shop = await opened(world)
    await shop.track("zoe", "Support Ticket Closed", **TICKET)
    await shop.consents("zoe", "denied")
    await world.until("2026-03-30 10:00")
    assert world.kinds("zoe", "k44") == []
    assert await world.unsent("zoe") == [Unsent("k44", "support-survey/survey", "consent")]


async def test_an_answer_ends_the_question_about_that_request_alone(autojump_clock, world):
    shop = await opened(world)
    other = {**TICKET, "ticket_id": "T-10"}
    for ticket in (TICKET, other):
        await shop.track("zoe", "Support Ticket Closed", **ticket)
    await world.until("2026-03-03 10:00")
    await shop.track("zoe", "Survey Answered", survey_id="support/T-9", score=4)
    await world.until("2026-03-30 10:00")
    assert world.kinds("zoe", "k44") == [("k44", "2026-03-04 10:00")]
    assert "T-10" in text_of(world.letter("k44"))
    assert await world.unsent("zoe", "k44") == [
        Unsent("k44", "support-survey/survey", "stop_condition")
    ]


async def test_a_request_that_is_opened_again_is_not_asked_about_before_it_is_closed_again(
    autojump_clock, world
):
    shop = await opened(world)
    await shop.track("zoe", "Support Ticket Closed", **TICKET)
    await world.until("2026-03-03 10:00")
    await shop.track("zoe", "Support Ticket Opened", **TICKET)
    await world.until("2026-03-09 10:00")
    await shop.track("zoe", "Support Ticket Closed", **TICKET)
    await world.until("2026-03-30 10:00")
    assert world.kinds("zoe", "k42") == [("k42", "2026-03-02 10:00"), ("k42", "2026-03-03 10:00")]
    assert world.kinds("zoe", "k44") == [("k44", "2026-03-11 10:00")]


async def test_under_pressure_the_survey_waits_its_turn(autojump_clock, world):
    shop = await opened(world)
    await shop.track("zoe", "Support Ticket Closed", **TICKET)
    await world.until("2026-03-03 15:00")
    await shop.adds("zoe", "cup")
    await world.until("2026-03-05 09:00")
    # The reminder of the day before is less than twenty hours ago.
    assert world.kinds("zoe", "k07", "k44") == [
        ("k07", "2026-03-03 16:00"),
        ("k44", "2026-03-04 12:00"),
    ]
