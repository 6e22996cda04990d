"""Answers: the score behind a star of a mail, a comment after it, a review of a product.

The star is the answer: a person who follows it has nothing more to do. As machines follow links
too, the score is kept with the hit and told once the hit is judged (`actors/web/judge.py`); where
it looks like a machine's already, the page asks to confirm with one tap. What a score is about is
read from the mail: a parcel's order, a closed ticket, else how welcome our mails are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from quart import Blueprint, Response, request

from actors.web.desk import Desk, Gone, Said, Visit
from actors.web.look import Look
from actors.web.scores import SCORES, comment_on, score_of, survey_of
from actors.web.tracks import Tracks
from ecrm.mail import Mail, ShownLine
from proto import events

# What is written is cut here: it is a line in a form, not a document.
COMMENT: Final = 2_000
REVIEW: Final = 20_000


class Answers:
    def __init__(self, desk: Desk, look: Look, tracks: Tracks) -> None:
        self._desk = desk
        self._look = look
        self._tracks = tracks

    def blueprint(self) -> Blueprint:
        pages = Blueprint("answers", __name__)
        pages.add_url_rule("/r/<token>", "rate", self.rate, methods=["GET"])
        pages.add_url_rule("/r/<token>", "score", self.score, methods=["POST"])
        pages.add_url_rule("/w/<token>", "write", self.write, methods=["GET"])
        pages.add_url_rule("/w/<token>", "review", self.review, methods=["POST"])
        return pages

    async def rate(self, token: str) -> Response:
        visit = await self._rated(token)
        noted = await self._tracks.answered(visit)
        return self._rating(visit, visit.link.index, noted=noted)

    async def score(self, token: str) -> Response:
        visit = await self._rated(token)
        form = await request.form
        score, noted = _score(form, "score"), _score(form, "noted")
        text = form.get("comment", "").strip()[:COMMENT]
        if not score:
            return self._rating(visit, visit.link.index, noted=False, missing=True)
        said: list[Said] = [] if score == noted else [score_of(visit.mail, score)]
        said += [comment_on(visit.mail, score, text)] if text else []
        await self._desk.tell(visit, said)
        return self._rating(visit, score, noted=True, done=bool(text))

    async def _rated(self, token: str) -> Visit:
        """Raises Gone."""
        visit = await self._desk.visit("rate", token)
        await self._desk.state(visit)
        return visit

    def _rating(
        self, visit: Visit, score: int, *, noted: bool, done: bool = False, missing: bool = False
    ) -> Response:
        return self._look.page(
            "rating",
            self._look.language_of(visit.mail.locale),
            score=score if score in SCORES else 0,
            noted=noted,
            done=done,
            missing=missing,
            about=survey_of(visit.mail).partition("/")[0],
            scores=SCORES,
        )

    # Reviews. The place in a link is the product's in the order, from 1; 0 for none of it.

    async def write(self, token: str) -> Response:
        visit = await self._desk.visit("review", token)
        await self._desk.state(visit)
        return self._reviewing(visit)

    async def review(self, token: str) -> Response:
        visit = await self._desk.visit("review", token)
        await self._desk.state(visit)
        line = _line(visit)
        form = await request.form
        score, text = _score(form, "score"), form.get("review", "").strip()[:REVIEW]
        if line is None or not score:
            return self._reviewing(visit, text=text, missing=True)
        said = events.ProductReviewed(
            product_id=line.product_id,
            review_id=f"{visit.mail.mail_id}/{visit.link.index}",
            review_body=text or None,
            rating=score,
        )
        await self._desk.tell(visit, [said])
        return self._reviewing(visit, score=score, text=text, done=True)

    def _reviewing(
        self, visit: Visit, *, score: int = 0, text: str = "", done: bool = False,
        missing: bool = False,
    ) -> Response:  # fmt: skip
        lines = _lines(visit.mail)
        if not lines:
            raise Gone
        line = _line(visit)
        others = [
            (self._desk.way(visit, "review", place), one.name or one.product_id)
            for place, one in enumerate(lines, 1)
            if place != visit.link.index
        ]
        return self._look.page(
            "review",
            self._look.language_of(visit.mail.locale),
            product="" if line is None else line.name or line.product_id,
            others=others,
            score=score,
            text=text,
            done=done,
            missing=missing,
            scores=SCORES,
        )


def _lines(mail: Mail) -> tuple[ShownLine, ...]:
    return mail.values.order.lines if mail.values.order is not None else ()


def _line(visit: Visit) -> ShownLine | None:
    lines, place = _lines(visit.mail), visit.link.index
    return lines[place - 1] if 0 < place <= len(lines) else None


def _score(form: Mapping[str, str], name: str) -> int:
    """1 to 5; 0 for anything else."""
    text = form.get(name, "")
    return int(text) if text in {str(score) for score in SCORES} else 0
