"""The vitals: what a monitor asks of the service, on the port of the pages.

    GET /healthz   the process answers; for everybody, and says nothing else
    GET /readyz    200 where it can do its work, else 503; JSON with the reasons
    GET /metrics   the figures, for Prometheus

The last two are for those who ask from `[web] metrics_from`, this machine where nothing else is
said, and for whoever has an operator's key; for all others there are no such pages. A request that
a proxy has passed on is not from this machine because the proxy is: its header is believed as far
as `[web] trusted_proxies` says, and where it is not, only a key helps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from quart import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from actors import exposition, logs
from actors.figures import Figures
from actors.proxies import Proxies
from proto.session import Authenticate, Grant

# By any of these somebody says that a request was passed on.
FORWARDED: Final = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")


class Vitals:
    def __init__(
        self,
        figures: Figures,
        proxies: Proxies,
        near: Iterable[str],
        authenticate: Authenticate,
    ) -> None:
        self._figures = figures
        self._proxies = proxies
        self._near = Proxies(near)
        self._authenticate = authenticate

    def blueprint(self) -> Blueprint:
        pages = Blueprint("vitals", __name__)
        pages.add_url_rule("/healthz", "health", self.health, methods=["GET"])
        pages.add_url_rule("/readyz", "ready", self.ready, methods=["GET"])
        pages.add_url_rule("/metrics", "metrics", self.metrics, methods=["GET"])
        return pages

    async def health(self) -> Response:
        return Response("ok\n", content_type="text/plain; charset=utf-8")

    async def ready(self) -> Response:
        self._admit()
        reasons = await self._figures.unready()
        masked = {part: logs.masked(reason) for part, reason in reasons.items()}
        body = msgspec.json.encode({"ready": not reasons, "reasons": masked})
        return Response(body, 503 if reasons else 200, content_type="application/json")

    async def metrics(self) -> Response:
        self._admit()
        reading = await self._figures.read()
        text, kind = exposition.written(reading, request.headers.get("Accept", ""))
        return Response(text, content_type=kind)

    def _admit(self) -> None:
        """Raises NotFound: to a stranger nothing is here."""
        if not (self._is_near() or self._has_key()):
            raise NotFound

    def _is_near(self) -> bool:
        peer, hops = request.remote_addr or "", request.headers.getlist("X-Forwarded-For")
        passed_on = any(name in request.headers for name in FORWARDED)
        if passed_on and not (hops and self._proxies.are(peer)):
            return False
        return self._near.are(self._proxies.visitor(peer, hops))

    def _has_key(self) -> bool:
        told = request.authorization
        if told is None:
            return False
        key = told.token if told.type == "bearer" else told.username
        grant = self._authenticate(key) if key else None
        return isinstance(grant, Grant) and grant.kind == "operator"
