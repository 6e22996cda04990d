"""Dates, comments, news of the carrier, and the digests that gather them."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from ecrm import facts
from ecrm.moment import SECOND, Duration, days, hours, minutes
from ecrm.state import NOTICES_KEPT
from proto import events
from tests.lives import Life, Withheld

PARIS = ZoneInfo("Europe/Paris")
ONLY = ("appointment", "event", "comment", "carrier", "digest")


def reader(start: str = "2026-06-01 10:00") -> Life:
    """The first of June 2026 is a Monday. None of this is marketing."""
    return Life(start=start, only=ONLY).identify().consents(given=False)


# Appointments (k36) and events (k37)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


def fitting(starts: str, kind: str | None = None) -> events.AppointmentScheduled:
    return events.AppointmentScheduled(
        appointment_id="a1", starts_at=at(starts), kind=kind, place="Rue Haute 3"
    )


def called_off(starts: str = "2026-06-10 15:30") -> events.AppointmentCancelled:
    return events.AppointmentCancelled(appointment_id="a1", starts_at=at(starts))


def test_a_date_is_reminded_of_the_day_before():
    life = reader().tell(fitting("2026-06-10 15:30")).sleeps(days(30))
    assert life.mails == [("k36", "appointment/reminder", "2026-06-09 15:30")]
    shown = life.sent[0].values.appointment
    assert (life.wall(shown.starts_at), shown.place) == ("2026-06-10 15:30", "Rue Haute 3")


@pytest.mark.parametrize("kind", ["event", "Event"])
def test_a_date_that_many_come_to_has_its_own_words(kind):
    life = reader().tell(fitting("2026-06-10 15:30", kind)).sleeps(days(30))
    assert life.mails == [("k37", "event/reminder", "2026-06-09 15:30")]


def test_the_day_before_is_twenty_four_hours_also_when_the_clock_is_put_forward():
    life = reader("2026-03-20 10:00").tell(fitting("2026-03-29 15:30")).sleeps(days(20))
    assert life.mails == [("k36", "appointment/reminder", "2026-03-28 14:30")]


def test_a_reminder_is_not_held_back_by_the_night():
    life = reader().tell(fitting("2026-06-10 02:00")).sleeps(days(30))
    assert life.mails == [("k36", "appointment/reminder", "2026-06-09 02:00")]


def test_a_reminder_does_not_leave_after_the_date():
    life = reader().tell(fitting("2026-06-10 15:30")).sleeps(days(30))
    assert life.wall(life.sent[0].not_after) == "2026-06-10 03:30"
    # Decided at its very deadline, it has a little time to go.
    near = reader().tell(fitting("2026-06-01 22:00"))
    assert near.wall(near.sent[0].not_after) == "2026-06-01 10:15"


def test_a_date_in_twelve_hours_is_reminded_of_at_once():
    life = reader().tell(fitting("2026-06-01 22:00"))
    assert life.mails == [("k36", "appointment/reminder", "2026-06-01 10:00")]


def test_a_date_at_shorter_notice_needs_no_reminder():
    life = reader().tell(fitting("2026-06-01 21:59")).sleeps(days(3))
    assert life.mails == []
    assert life.withheld == [Withheld("appointment/reminder", "deadline")]


def test_a_date_that_is_moved_is_reminded_of_at_its_new_time_only():
    life = reader().tell(fitting("2026-06-10 15:30")).sleeps(days(3))
    life.tell(fitting("2026-06-12 09:00")).sleeps(days(30))
    assert life.mails == [("k36", "appointment/reminder", "2026-06-11 09:00")]
    assert life.withheld == [Withheld("appointment/reminder", "stop_condition")]
    assert life.of(facts.Left)[0].detail == "Appointment Moved a1"


def test_a_date_that_is_moved_after_its_reminder_is_reminded_of_again():
    life = reader().tell(fitting("2026-06-10 15:30")).at("2026-06-09 18:00").reports("accepted")
    life.tell(fitting("2026-06-15 15:30")).sleeps(days(30))
    assert [mail.at for mail in life.mails] == ["2026-06-09 15:30", "2026-06-14 15:30"]


def test_a_date_that_is_told_again_as_it_was_changes_nothing():
    life = reader().tell(fitting("2026-06-10 15:30")).sleeps(days(1))
    life.tell(fitting("2026-06-10 15:30")).sleeps(days(30))
    assert life.mails == [("k36", "appointment/reminder", "2026-06-09 15:30")]
    assert len(life.of(facts.Enrolled)) == 1


def test_a_date_that_is_told_every_night_is_reminded_of_once():
    life = reader("2026-06-01 02:00")
    for _ in range(10):
        life.tell(fitting("2026-06-10 15:30")).sleeps(days(1))
    assert life.mails == [("k36", "appointment/reminder", "2026-06-09 15:30")]


def test_a_date_that_is_moved_there_and_back_is_reminded_of_where_it_ended():
    life = reader()
    for starts in ("2026-06-10 15:30", "2026-06-12 09:00", "2026-06-10 15:30"):
        life.tell(fitting(starts)).sleeps(hours(1))
    life.sleeps(days(30))
    assert life.mails == [("k36", "appointment/reminder", "2026-06-09 15:30")]


def test_a_date_that_is_moved_to_another_place_is_reminded_of_with_that():
    elsewhere = events.AppointmentScheduled(
        appointment_id="a1", starts_at=at("2026-06-10 15:30"), place="Quai 4"
    )
    life = reader().tell(fitting("2026-06-10 15:30")).sleeps(hours(1)).tell(elsewhere)
    assert [mail.values.appointment.place for mail in life.sleeps(days(30)).sent] == ["Quai 4"]


def test_an_older_date_that_is_heard_of_last_does_not_move_it_back():
    made = reader().now
    life = reader().sleeps(hours(1)).tell(fitting("2026-06-12 09:00"))
    life.tell(fitting("2026-06-10 15:30"), occurred=made).sleeps(days(30))
    assert life.mails == [("k36", "appointment/reminder", "2026-06-11 09:00")]


def test_a_date_that_is_called_off_is_not_reminded_of():
    life = reader().tell(fitting("2026-06-10 15:30")).sleeps(days(3)).tell(called_off())
    assert life.sleeps(days(30)).mails == []
    assert life.withheld == [Withheld("appointment/reminder", "stop_condition")]


def test_a_reminder_in_the_queue_is_taken_back_when_the_date_is_called_off():
    life = reader().tell(fitting("2026-06-10 15:30")).at("2026-06-09 15:31").tell(called_off())
    assert life.retracted == [("k36", "Appointment Cancelled a1")]


def test_a_date_called_off_before_it_was_heard_of_is_not_reminded_of():
    made = reader().now
    life = reader().sleeps(hours(2)).tell(called_off())
    life.tell(fitting("2026-06-10 15:30"), occurred=made).sleeps(days(30))
    assert life.mails == []


def test_a_date_that_is_made_again_after_it_was_called_off_is_reminded_of():
    life = reader().tell(fitting("2026-06-10 15:30")).sleeps(hours(1)).tell(called_off())
    life.sleeps(hours(1)).tell(fitting("2026-06-10 15:30")).sleeps(days(30))
    assert life.mails == [("k36", "appointment/reminder", "2026-06-09 15:30")]


def test_another_date_is_another_matter():
    other = events.AppointmentScheduled(appointment_id="a2", starts_at=at("2026-06-20 08:00"))
    life = reader().tell(fitting("2026-06-10 15:30")).tell(other).tell(called_off())
    assert life.sleeps(days(30)).mails == [("k36", "appointment/reminder", "2026-06-19 08:00")]


# Comments (k38)

COMMENT = events.CommentPosted(subject_id="s1", author="Léo", excerpt="Me too.")


def commented(author: str) -> events.CommentPosted:
    return events.CommentPosted(subject_id="s1", author=author)


def prefers(life: Life, **digest: str) -> Life:
    return life.tell(events.PreferenceUpdated(digest=digest))


def test_a_comment_is_told_at_once():
    life = reader("2026-06-01 23:30").tell(COMMENT)
    assert life.mails == [("k38", "comment/posted", "2026-06-01 23:30")]
    shown = life.sent[0].values.comment
    assert (shown.subject_id, shown.author, shown.excerpt) == ("s1", "Léo", "Me too.")


def test_every_comment_is_told():
    life = reader()
    for _ in range(3):
        life.tell(COMMENT).sleeps(Duration(SECOND))
    assert life.kinds == ["k38"] * 3


def test_a_comment_heard_of_two_days_late_is_no_news():
    life = reader().sleeps(Duration(days(2) + 1)).tell(COMMENT, occurred="2026-06-01 10:00")
    assert life.withheld == [Withheld("comment/posted", "deadline")]


def test_who_wants_no_comments_hears_of_none():
    life = prefers(reader(), comment="off").tell(COMMENT).sleeps(days(40))
    assert life.mails == []
    assert life.withheld == [Withheld("comment/posted", "preference")]


def test_who_does_not_care_for_the_topic_hears_of_none():
    life = reader().tell(events.PreferenceUpdated(topics={"comment": False})).tell(COMMENT)
    assert life.withheld == [Withheld("comment/posted", "preference")]


def test_a_topic_that_is_wanted_again_leaves_its_digest_and_is_told_at_once():
    life = prefers(reader(), comment="weekly", shipping="weekly").tell(commented("Ana"))
    life.tell(events.PreferenceUpdated(topics={"comment": True})).tell(commented("Bob"))
    assert life.mails == [("k38", "comment/posted", "2026-06-01 10:00")]
    assert life.state.digests == {"shipping": "weekly"}
    # What was gathered until then comes as it was promised.
    life.sleeps(days(10))
    assert life.mails[1:] == [("k40", "digest/digest", "2026-06-08 08:00")]
    assert [one.author for one in life.sent[1].values.digest.comments] == ["Ana"]


def test_a_topic_that_is_wanted_in_a_digest_by_the_same_word_is_gathered():
    said = events.PreferenceUpdated(topics={"comment": True}, digest={"comment": "daily"})
    life = prefers(reader(), comment="off").tell(said).tell(COMMENT)
    assert life.sleeps(days(2)).mails == [("k40", "digest/digest", "2026-06-02 08:00")]


def test_a_topic_that_is_not_wanted_stays_in_its_digest_for_when_it_is():
    life = prefers(reader(), comment="daily")
    life.tell(events.PreferenceUpdated(topics={"comment": False})).tell(COMMENT)
    assert life.withheld == [Withheld("comment/posted", "preference")]
    assert life.state.digests == {"comment": "daily"}


def test_a_preference_is_about_its_own_topic():
    life = prefers(reader(), shipping="off").tell(COMMENT)
    assert life.kinds == ["k38"]


# Digests (k40)


@pytest.mark.parametrize(
    ("cadence", "when"),
    [
        ("daily", "2026-06-02 08:00"),
        ("weekly", "2026-06-08 08:00"),
        ("monthly", "2026-07-01 08:00"),
    ],
)
def test_a_digest_comes_at_eight_of_the_day_the_monday_the_first(cadence, when):
    life = prefers(reader(), comment=cadence).tell(COMMENT).sleeps(days(40))
    assert life.mails == [("k40", "digest/digest", when)]
    assert life.withheld == [Withheld("comment/posted", "digest")]
    assert life.sent[0].values.digest.cadence == cadence


@pytest.mark.parametrize(
    ("cadence", "start", "when"),
    [
        ("daily", "2026-06-02 07:59:59.999", "2026-06-02 08:00"),
        ("daily", "2026-06-02 08:00", "2026-06-03 08:00"),
        ("weekly", "2026-06-08 07:00", "2026-06-08 08:00"),
        ("weekly", "2026-06-08 08:00", "2026-06-15 08:00"),
        ("monthly", "2026-06-30 23:00", "2026-07-01 08:00"),
        ("monthly", "2026-07-01 07:59", "2026-07-01 08:00"),
        ("monthly", "2026-12-31 23:59", "2027-01-01 08:00"),
        # The nights on which the clock is put forward and back.
        ("daily", "2026-03-28 12:00", "2026-03-29 08:00"),
        ("daily", "2026-10-24 12:00", "2026-10-25 08:00"),
        ("weekly", "2026-03-24 12:00", "2026-03-30 08:00"),
        ("monthly", "2026-10-02 12:00", "2026-11-01 08:00"),
    ],
)
def test_eight_in_the_morning_is_eight_in_the_morning(cadence, start, when):
    life = prefers(reader(start), comment=cadence).tell(COMMENT).sleeps(days(32))
    assert [mail.at for mail in life.mails] == [when]


def test_the_morning_is_the_persons_own():
    life = prefers(reader().identify(timezone="Asia/Kolkata"), comment="daily").tell(COMMENT)
    # 08:00 in Kolkata is 04:30 in Paris.
    assert life.sleeps(days(2)).mails == [("k40", "digest/digest", "2026-06-02 04:30")]


def test_a_digest_has_all_that_was_gathered_oldest_first_and_once():
    life = prefers(reader(), comment="daily")
    for author in ("Ana", "Bob"):
        life.tell(commented(author)).sleeps(hours(1))
    life.sleeps(days(1)).reports("accepted").tell(commented("Cleo")).sleeps(days(5))
    gathered = [[one.author for one in mail.values.digest.comments] for mail in life.sent]
    assert gathered == [["Ana", "Bob"], ["Cleo"]]


def test_a_digest_that_still_waits_is_taken_back_and_told_in_the_next():
    life = prefers(reader(), comment="daily").tell(commented("Ana")).sleeps(days(1))
    life.tell(commented("Bob")).sleeps(days(1))
    gathered = [[one.author for one in mail.values.digest.comments] for mail in life.sent]
    assert gathered == [["Ana"], ["Ana", "Bob"]]
    (taken_back,) = life.of(facts.MailRetracted)
    assert (taken_back.mail_id, taken_back.because) == (
        life.sent[0].mail_id,
        "merged into k40 digest",
    )


def test_there_is_no_digest_of_nothing():
    life = prefers(reader(), comment="daily").tell(COMMENT).sleeps(days(60))
    assert [mail.at for mail in life.mails] == ["2026-06-02 08:00"]
    assert life.state.kept == {}
    assert life.alarm is None


def test_digests_of_two_cadences_are_two_digests():
    life = prefers(reader(), comment="weekly", shipping="daily").tell(COMMENT)
    life.tell(news("in transit")).sleeps(days(10))
    digests = [(mail.values.digest.cadence, life.wall(mail.at)) for mail in life.sent]
    assert digests == [("daily", "2026-06-02 08:00"), ("weekly", "2026-06-08 08:00")]


def test_topics_of_one_cadence_share_a_digest():
    life = prefers(reader(), comment="daily", shipping="daily", appointment="daily")
    life.tell(COMMENT).tell(news("in transit")).tell(fitting("2026-06-02 09:00")).sleeps(days(3))
    (mail,) = life.sent
    digest = mail.values.digest
    assert (len(digest.comments), len(digest.carriages), len(digest.appointments)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("cadence", "starts", "mail"),
    [
        # The reminder is due on the third; the weekly digest goes on Monday the eighth at eight.
        ("weekly", "2026-06-04 15:30", ("k36", "appointment/reminder", "2026-06-03 15:30")),
        ("weekly", "2026-06-08 08:00", ("k36", "appointment/reminder", "2026-06-07 08:00")),
        ("weekly", "2026-06-08 08:01", ("k40", "digest/digest", "2026-06-08 08:00")),
        ("monthly", "2026-06-20 15:30", ("k36", "appointment/reminder", "2026-06-19 15:30")),
        ("daily", "2026-06-04 15:30", ("k40", "digest/digest", "2026-06-04 08:00")),
    ],
)
def test_a_date_is_not_put_off_to_a_digest_that_goes_after_it(cadence, starts, mail):
    life = prefers(reader(), appointment=cadence).tell(fitting(starts)).sleeps(days(40))
    assert life.mails == [mail]


def test_who_wants_them_daily_from_now_on_still_gets_what_was_gathered_for_the_week():
    life = prefers(reader(), comment="weekly").tell(commented("Ana")).sleeps(days(1))
    prefers(life, comment="daily").tell(commented("Bob")).sleeps(days(10))
    digests = [(life.wall(m.at), [c.author for c in m.values.digest.comments]) for m in life.sent]
    assert digests == [("2026-06-03 08:00", ["Bob"]), ("2026-06-08 08:00", ["Ana"])]


def test_what_nobody_wants_any_more_is_not_in_the_digest():
    life = prefers(reader(), comment="weekly", shipping="weekly").tell(COMMENT)
    prefers(life.tell(news("in transit")), comment="off").sleeps(days(10))
    digest = life.sent[0].values.digest
    assert (len(digest.comments), len(digest.carriages)) == (0, 1)


def test_a_digest_of_which_nothing_is_wanted_any_more_is_not_sent():
    life = prefers(prefers(reader(), comment="weekly").tell(COMMENT), comment="off")
    life.sleeps(days(10))
    assert life.withheld[-1] == Withheld("digest/digest", "condition")
    assert life.mails == []


def test_a_digest_gathers_so_many_and_forgets_the_oldest():
    life = prefers(reader(), comment="monthly")
    for n in range(NOTICES_KEPT + 2):
        life.tell(commented(f"{n}")).sleeps(minutes(1))
    life.sleeps(days(40))
    (mail,) = life.sent
    authors = [one.author for one in mail.values.digest.comments]
    assert authors == [str(n) for n in range(2, NOTICES_KEPT + 2)]


def test_a_digest_that_the_service_was_down_for_is_still_sent_for_two_days():
    life = prefers(reader(), comment="daily").tell(COMMENT).skips(Duration(days(2) + hours(22)))
    life.ticks()
    assert life.mails == [("k40", "digest/digest", "2026-06-04 08:00")]


def test_what_a_digest_came_too_late_for_is_in_the_next_one():
    life = prefers(reader(), comment="daily").tell(commented("Ana")).skips(days(5))
    life.ticks()
    assert life.withheld[-1] == Withheld("digest/digest", "deadline")
    life.tell(commented("Bob")).sleeps(days(1))
    assert [one.author for one in life.sent[0].values.digest.comments] == ["Ana", "Bob"]


# News of the carrier (k39)


def news(status: str, **more: str) -> events.ShipmentUpdated:
    return events.ShipmentUpdated(order_id="o1", status=status, **more)


PAID = events.OrderPaid(order_id="o1", total=10, currency="EUR")


def test_news_of_the_carrier_are_told_at_once_in_its_own_words():
    life = (
        reader()
        .tell(PAID)
        .tell(
            events.OrderFulfilled(order_id="o1", fulfillment_id="a", tracking_url="https://t.ex/a")
        )
    )
    life.sleeps(hours(1)).tell(news("Out for delivery", eta="today", fulfillment_id="a"))
    assert life.mails == [("k39", "carrier/update", "2026-06-01 11:00")]
    shown = life.sent[0].values.carriage
    assert (shown.order_id, shown.status, shown.eta, shown.tracking_url) == (
        "o1", "Out for delivery", "today", "https://t.ex/a",
    )  # fmt: skip


def test_the_carriers_last_word_is_told_once():
    life = reader().tell(PAID)
    for status in ("in transit", "in transit", "at the depot", "in transit"):
        life.tell(news(status)).sleeps(hours(1))
    told = [mail.values.carriage.status for mail in life.sent]
    assert told == ["in transit", "at the depot", "in transit"]


def test_a_delivery_is_no_news_of_its_way():
    assert reader().tell(PAID).tell(news("delivered")).mails == []


@pytest.mark.parametrize("over", [events.OrderCancelled, events.OrderRefunded])
def test_the_way_of_an_order_that_does_not_stand_is_no_news(over):
    life = reader().tell(PAID).tell(over(order_id="o1")).tell(news("in transit"))
    assert life.mails == []


def test_news_in_the_queue_are_taken_back_when_the_order_is_cancelled():
    life = reader().tell(PAID).tell(news("in transit")).tell(events.OrderCancelled(order_id="o1"))
    assert life.retracted == [("k39", "Order Cancelled o1")]


def test_news_are_gathered_for_who_wants_a_digest():
    life = prefers(reader(), shipping="weekly").tell(PAID)
    for status in ("in transit", "at the depot"):
        life.tell(news(status)).sleeps(hours(1))
    life.sleeps(days(10))
    (mail,) = life.sent
    assert (mail.kind, life.wall(mail.at)) == ("k40", "2026-06-08 08:00")
    assert [one.status for one in mail.values.digest.carriages] == ["in transit", "at the depot"]
