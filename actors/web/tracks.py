"""What is seen of a mail: its picture, its followed links, the mail itself in a browser.

A picture is always the same point, whatever the token. A link leads where the store says that this
place of this mail leads, and nowhere else; where that is not known any more, or too long ago, to
the shop's front page, and nothing is recorded. A picture or a link is recorded only while the
customer's consent stands, also for a mail sent before it was taken back, and after the answer is on
its way; a HEAD is never recorded. What it was worth is judged later (`actors/web/judge.py`).
"""

from __future__ import annotations

import base64
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace
from quart import Blueprint, Response, request

from actors.proxies import Proxies
from actors.store.rows import HitRow
from actors.web.desk import Desk, Forgotten, Gone, Untold, Visit
from actors.web.judge import Judge
from ecrm import tracking
from ecrm.moment import Duration, Instant

# One transparent point (GIF89a).
POINT: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

# The mail's own styles and pictures; no script, no form, and no page of ours around it.
VIEW_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https:%s; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)

AGENT: Final = 300


class Trace(msgspec.Struct, frozen=True, gc=False):
    """What a request tells of whoever made it, no more than a verdict needs."""

    at: Instant
    method: str
    agent: str
    network: str
    prefetch: bool

    def hit(self, visit: Visit, deed: tracking.Deed) -> HitRow:
        return HitRow(
            mail_id=visit.mail.mail_id,
            deed=deed,
            place=visit.link.index,
            at=self.at,
            agent=self.agent,
            network=self.network,
            prefetch=self.prefetch,
        )


class Tracks:
    def __init__(self, desk: Desk, judge: Judge, proxies: Proxies) -> None:
        self._desk = desk
        self._judge = judge
        self._proxies = proxies
        # The demo shop's pictures are those of the one shop without https.
        shop = urlsplit(desk.shop.public_url)
        self._pictures = f" http://{shop.netloc}" if shop.scheme == "http" else ""

    def blueprint(self) -> Blueprint:
        pages = Blueprint("tracks", __name__)
        pages.add_url_rule("/o/<token>", "picture", self.picture, methods=["GET"])
        pages.add_url_rule("/c/<token>", "follow", self.follow, methods=["GET"])
        pages.add_url_rule("/v/<token>", "view", self.view, methods=["GET"])
        return pages

    async def picture(self, token: str) -> Response:
        self._judge.later(self._opened, token, self._trace())
        return Response(POINT, content_type="image/gif")

    async def _opened(self, token: str, trace: Trace) -> None:
        try:
            visit = await self._desk.visit("open", token)
        except Gone:
            return
        await self._record(visit, "opened", trace)

    async def follow(self, token: str) -> Response:
        try:
            visit = await self._desk.visit("click", token)
        except Forgotten:
            return self._leads_to(self._desk.shop.public_url)
        url = await self._destination(visit)
        if url is None:
            return self._leads_to(self._desk.shop.public_url)
        self._judge.later(self._record, visit, "clicked", self._trace())
        return self._leads_to(url)

    async def _destination(self, visit: Visit) -> str | None:
        """Where this place of this mail leads, while it does."""
        if self._desk.clock.now() - visit.mail.at > tracking.FOLLOWED_FOR:
            return None
        if visit.link.index == tracking.TRAP:
            return self._desk.shop.public_url
        return await self._desk.store.trail.link(visit.mail.mail_id, visit.link.index)

    def _leads_to(self, url: str) -> Response:
        return Response("", 302, headers={"Location": url})

    async def _record(self, visit: Visit, deed: Literal["opened", "clicked"], trace: Trace) -> None:
        purpose = tracking.OPENS if deed == "opened" else tracking.CLICKS
        try:
            state = await self._desk.state(visit)
        except (Gone, Untold):
            return
        said = state.consents.get(purpose)
        if trace.method != "HEAD" and said is not None and said.granted:
            await self._judge.keep(trace.hit(visit, deed))

    async def answered(self, visit: Visit) -> bool:
        """Keep the score that a link of a mail says; tell whether it looks like a person's."""
        trace = self._trace()
        if trace.method == "HEAD":
            return False
        accepted = await self._desk.store.trail.accepted_at(visit.mail.mail_id)
        since = None if accepted is None else Duration(trace.at - accepted)
        found = tracking.verdict(
            tracking.Hit("rated", trace.agent, since, trace.method, prefetch=trace.prefetch)
        )
        if found.sort != "human":
            return False
        await self._judge.keep(trace.hit(visit, "rated"))
        return True

    async def view(self, token: str) -> Response:
        visit = await self._desk.visit("view", token, strangers=True)
        if visit.mail.lane == 0:
            raise Gone
        plain = replace(visit.mail, track_opens=False, track_clicks=False)
        page = Response(
            self._desk.composer.compose(plain).html, content_type="text/html; charset=utf-8"
        )
        page.headers["Content-Security-Policy"] = VIEW_POLICY % self._pictures
        return page

    def _trace(self) -> Trace:
        forwarded = request.headers.getlist("X-Forwarded-For")
        visitor = self._proxies.visitor(request.remote_addr or "", forwarded)
        purposes = (request.headers.get("Sec-Purpose", ""), request.headers.get("Purpose", ""))
        return Trace(
            at=self._desk.clock.now(),
            method=request.method,
            agent=request.headers.get("User-Agent", "")[:AGENT],
            network=tracking.network_of(visitor),
            prefetch=any("prefetch" in purpose for purpose in purposes),
        )
