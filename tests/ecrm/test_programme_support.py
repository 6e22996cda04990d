"""Support requests: acknowledged, told of to each party, asked about when they are settled."""

from __future__ import annotations

import pytest

from ecrm.moment import Duration, days, hours
from proto import events
from tests.lives import Life, Withheld

ONLY = ("support", "support-news", "support-survey")
PARTIES = ("carrier@post.example", "ANA@post.example", "ana@post.example")


def told(kind: type, ticket_id: str = "7", **more) -> events.Event:
    return kind(ticket_id=ticket_id, subject="A broken cup", **more)


OPENED = told(events.SupportTicketOpened, parties=PARTIES)
UPDATED = told(events.SupportTicketUpdated, status="sent to the carrier", parties=PARTIES)
CLOSED = told(events.SupportTicketClosed, status="solved")
RATED = events.SurveyAnswered(survey_id="support/7", score=9)


def asker() -> Life:
    return Life(start="2026-06-01 10:00", only=ONLY).identify()


def test_a_request_is_acknowledged_at_once_to_who_made_it():
    life = Life(start="2026-06-01 23:30", only=ONLY).identify().consents(given=False).tell(OPENED)
    assert life.mails == [("k42", "support/received", "2026-06-01 23:30")]
    (mail,) = life.sent
    assert (mail.to, mail.values.ticket.subject) == ("ana@post.example", "A broken cup")


def test_each_step_is_told_to_each_party_and_to_the_customer_once():
    life = asker().tell(OPENED).sleeps(hours(2)).tell(UPDATED)
    news = [mail for mail in life.sent if mail.kind == "k43"]
    assert [mail.to for mail in news] == ["ana@post.example", "carrier@post.example"]
    assert {mail.values.ticket.status for mail in news} == {"sent to the carrier"}
    assert len({mail.mail_id for mail in news}) == 2


def test_every_step_is_told():
    life = asker().tell(OPENED)
    for status in ("seen", "sent", "found"):
        life.sleeps(hours(1)).tell(told(events.SupportTicketUpdated, status=status))
    life.sleeps(hours(1)).tell(CLOSED)
    assert [mail.values.ticket.status for mail in life.sent] == [
        "",
        "seen",
        "sent",
        "found",
        "solved",
    ]
    assert [mail.values.ticket.stage for mail in life.sent][-1] == "closed"


def test_a_party_that_cannot_be_written_to_keeps_the_news_from_nobody_else():
    wrong = told(events.SupportTicketUpdated, parties=("carrier@not_a_host",))
    assert [mail.to for mail in asker().tell(wrong).sent] == ["ana@post.example"]


def test_a_request_that_is_settled_is_asked_about_two_days_later():
    life = asker().consents().tell(OPENED).sleeps(days(1)).tell(CLOSED).sleeps(days(10))
    assert life.mails[-1] == ("k44", "support-survey/survey", "2026-06-04 10:00")


@pytest.mark.parametrize("event", [RATED, OPENED], ids=["answered", "opened again"])
def test_the_question_is_dropped_where_it_became_pointless(event):
    life = asker().consents().tell(CLOSED).sleeps(days(1)).tell(event).sleeps(days(10))
    assert life.withheld == [Withheld("support-survey/survey", "stop_condition")]


def test_the_question_about_one_request_is_not_answered_by_another():
    other = events.SurveyAnswered(survey_id="support/8", score=9)
    life = asker().consents().tell(CLOSED).sleeps(days(1)).tell(other).sleeps(days(10))
    assert life.kinds == ["k43", "k44"]


def test_who_was_never_asked_and_never_bought_is_not_surveyed():
    life = asker().tell(CLOSED).sleeps(days(10))
    assert life.withheld == [Withheld("support-survey/survey", "consent")]


def test_a_question_five_days_late_is_asked_and_a_later_one_is_not():
    asked = asker().consents().tell(CLOSED).skips(days(7))
    asked.ticks()
    assert asked.kinds == ["k43", "k44"]
    late = asker().consents().tell(CLOSED).skips(Duration(days(7) + 1))
    late.ticks()
    assert late.withheld == [Withheld("support-survey/survey", "deadline")]
