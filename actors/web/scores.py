"""What a score from a mail is about, and the events that say it."""

from __future__ import annotations

from typing import Final

from ecrm.mail import Mail
from proto import events

SCORES: Final = range(1, 6)


def survey_of(mail: Mail) -> str:
    """As `Survey Answered` names it: a ticket, an order, else how welcome our mails are."""
    shown = mail.values
    if shown.ticket is not None:
        return f"support/{shown.ticket.ticket_id}"
    if shown.parcel is not None:
        return f"site/{shown.parcel.order_id}"
    if shown.order is not None:
        return f"site/{shown.order.order_id}"
    return f"relevance/{mail.mail_id}"


def score_of(mail: Mail, score: int) -> events.SurveyAnswered:
    return events.SurveyAnswered(survey_id=survey_of(mail), mail_id=mail.mail_id, score=score)


def comment_on(mail: Mail, score: int, text: str) -> events.SurveyAnswered:
    """A survey beside the other, so that the score does not count again with every comment."""
    kind, _, about = survey_of(mail).partition("/")
    return events.SurveyAnswered(
        survey_id=f"{kind}-comment/{about}",
        mail_id=mail.mail_id,
        score=score,
        answers={"comment": text},
    )
