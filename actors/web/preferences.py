"""The preference centre: how often, about what, in which language, and what may be measured.

A form posts what was chosen; what is as it was is not told, and what is not in the form is left as
it is. So the one big button behind a link of k26 (weekly, monthly, never) is the same form with one
field. Consents have three states, and silence is the third: where nothing was said no answer is
marked, and none is made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from quart import Blueprint, Response, request

from actors.web.desk import Desk, Said, Visit
from actors.web.look import Look
from ecrm import consent, tracking
from ecrm.pressure import WEEK
from ecrm.state import State
from proto import envelope, events

# The place of a link in k26 (`Links.prefer`).
CHOICES: Final = ("", "weekly", "monthly", "never")
FREQUENCIES: Final = ("daily", "weekly", "monthly", "never")
CADENCES: Final = ("daily", "weekly", "monthly", "off")
# Kinds of news that are sent or not, and those that may wait for a digest (R66).
TOPICS: Final = ("news", "appointment", "event")
DIGESTED: Final = ("comment", "shipping")
MEASURES: Final = (tracking.OPENS, tracking.CLICKS)

Form = Mapping[str, str]


class Preferences:
    def __init__(self, desk: Desk, look: Look) -> None:
        self._desk = desk
        self._look = look

    def blueprint(self) -> Blueprint:
        pages = Blueprint("preferences", __name__)
        pages.add_url_rule("/p/<token>", "show", self.show, methods=["GET"])
        pages.add_url_rule("/p/<token>", "save", self.save, methods=["POST"])
        return pages

    async def show(self, token: str) -> Response:
        visit = await self._desk.visit("preferences", token)
        index = visit.link.index
        proposed = CHOICES[index] if index < len(CHOICES) else ""
        return self._page(visit, await self._desk.own_state(visit), proposed=proposed)

    async def save(self, token: str) -> Response:
        visit = await self._desk.visit("preferences", token)
        state = await self._desk.own_state(visit)
        form = await request.form
        await self._desk.tell(visit, list(self._told(state, form)))
        return self._page(visit, await self._desk.own_state(visit), saved=True)

    def _page(
        self, visit: Visit, state: State, *, proposed: str = "", saved: bool = False
    ) -> Response:
        language = self._look.language_of(state.person.locale, visit.mail.locale)
        return self._look.page(
            "preferences",
            language,
            saved=saved,
            proposed=proposed,
            path=self._desk.way(visit, "preferences"),
            languages=self._look.languages,
            chosen=_chosen(state) | {"language": language},
            address=state.person.email,
        )

    def _told(self, state: State, form: Form) -> Iterator[Said]:
        """What the form says that is not so already."""
        now = _chosen(state)
        asked = {name: value for name, value in form.items() if value and value != now.get(name)}
        preference = _preference(asked)
        if preference != events.PreferenceUpdated():
            yield preference
        for purpose in (consent.MARKETING_PURPOSE, *MEASURES):
            if asked.get(purpose) in ("granted", "denied"):
                yield _consent(purpose, asked[purpose], f"page {purpose} {self._desk.shop.name}")
        wanted = asked.get("language", "")
        if wanted in self._look.catalogues and wanted != self._language_of(state):
            yield envelope.Traits(locale=wanted)

    def _language_of(self, state: State) -> str:
        return self._look.language_of(state.person.locale) if state.person.locale else ""


def _chosen(state: State) -> dict[str, str]:
    """What stands now, as the form names it; empty where nothing was ever said."""
    marketing = "denied" if consent.objection(state, "soft_opt_in") else "granted"
    chosen = {consent.MARKETING_PURPOSE: marketing, "frequency": _frequency(state)}
    for purpose in MEASURES:
        said = state.consents.get(purpose)
        chosen[purpose] = "" if said is None else "granted" if said.granted else "denied"
    for topic in TOPICS:
        chosen[f"topic.{topic}"] = "yes" if state.topics.get(topic, True) else "no"
    for topic in DIGESTED:
        wanted = state.topics.get(topic, True)
        chosen[f"digest.{topic}"] = state.digests.get(topic, "") if wanted else "off"
    return chosen


def _frequency(state: State) -> str:
    wish = state.wish
    if wish is None:
        return ""
    if not wish.count:
        return "never"
    if wish.window > WEEK:
        return "monthly"
    return "weekly" if wish.count == 1 else "daily"


def _preference(asked: Form) -> events.PreferenceUpdated:
    frequency = asked.get("frequency", "")
    topics = {
        topic: asked[f"topic.{topic}"] == "yes"
        for topic in TOPICS
        if asked.get(f"topic.{topic}") in ("yes", "no")
    }
    digest = {
        topic: asked[f"digest.{topic}"]
        for topic in DIGESTED
        if asked.get(f"digest.{topic}") in CADENCES
    }
    # Whoever wants a digest of something wants it, whatever was said of it before.
    topics |= {topic: True for topic, cadence in digest.items() if cadence != "off"}
    return events.PreferenceUpdated(
        frequency=frequency if frequency in FREQUENCIES else None,
        topics=topics,
        digest=cast("dict[str, Any]", digest),
    )


def _consent(purpose: str, state: str, proof: str) -> events.ConsentUpdated:
    return events.ConsentUpdated(
        purpose=cast("events.Purpose", purpose),
        state=cast("events.ConsentState", state),
        source="page",
        proof=proof,
    )
