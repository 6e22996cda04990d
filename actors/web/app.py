"""The application: what every page has in common, and the blueprints that make it up.

No cookies and no sessions: a link carries all that a page needs, and a POST to it changes only what
the link is for. Nothing is loaded from elsewhere but the shop's logo. Bodies are small, answers are
never kept by anybody on the way, and whatever fails is answered by a page of ours without a word
about the inside.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import structlog
from quart import Blueprint, Response, has_request_context, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, NotFound

from actors.web import bodies
from actors.web.desk import Gone, Untold
from actors.web.look import Look
from ecrm.errors import StoreBroken

log = structlog.get_logger()

BODY_TIMEOUT: Final = 20
RETRY_AFTER: Final = "10"

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}


def make(look: Look, blueprints: list[Blueprint]) -> QuartTrio:
    """The application; `blueprints` are its pages."""
    app = QuartTrio("actors.web", static_folder=None, template_folder=None)
    app.request_class = bodies.Sized
    app.config.update(MAX_CONTENT_LENGTH=bodies.SMALL, BODY_TIMEOUT=BODY_TIMEOUT)
    front = Front(look)
    app.add_url_rule("/brand.css", view_func=front.brand, methods=["GET"])
    for place in ("/icon.svg", "/favicon.ico"):
        app.add_url_rule(place, view_func=front.icon, methods=["GET"])
    app.add_url_rule("/static/<name>", view_func=front.file, methods=["GET"])
    app.add_url_rule("/robots.txt", view_func=front.robots, methods=["GET"])
    app.register_error_handler(Gone, front.gone)
    app.register_error_handler(Untold, front.untold)
    app.register_error_handler(StoreBroken, front.broken)
    app.register_error_handler(HTTPException, front.refused)
    app.register_error_handler(Exception, front.failed)
    app.after_request(front.secured)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


class Front:
    """What is the same whatever page was asked for."""

    def __init__(self, look: Look) -> None:
        self._look = look
        logo = urlsplit(look.shop.logo_url)
        pictures = f" https://{logo.netloc}" if logo.scheme == "https" else ""
        self._policy = (
            f"default-src 'none'; style-src 'self'; img-src 'self'{pictures}; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )

    async def secured(self, response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", self._policy)
        return response

    async def brand(self) -> Response:
        return _kept(self._look.brand_css(), "text/css; charset=utf-8")

    async def icon(self) -> Response:
        # Under the name, too, that browsers ask for where a page names none: a mail, for one.
        return _kept(self._look.icon(), "image/svg+xml")

    async def file(self, name: str) -> Response:
        if name not in self._look.files:
            raise NotFound
        data, kind = self._look.files[name]
        found = _kept(data, kind)
        # A shop's pages are of another origin, and a module is loaded only where that is allowed.
        found.headers["Access-Control-Allow-Origin"] = "*"
        return found

    async def robots(self) -> Response:
        return Response("User-agent: *\nDisallow: /\n", content_type="text/plain; charset=utf-8")

    # What went wrong. A stranger's language is asked of the browser.

    async def gone(self, _error: Gone) -> Response:
        return self._say("gone", 404)

    async def untold(self, error: Untold) -> Response:
        return self._say("later", 503) if error.again else self._say("failed", 500)

    async def broken(self, error: StoreBroken) -> Response:
        log.error("page_failed", path=_route(), error=str(error))
        return self._say("later", 503)

    async def refused(self, error: HTTPException) -> Response:
        status = error.code or 500
        page = self._say({404: "gone", 405: "gone"}.get(status, "refused"), status)
        for name, value in error.get_headers():
            if name == "Allow":
                page.headers[name] = value
        return page

    async def failed(self, error: Exception) -> Response:
        log.error("page_failed", path=_route(), error=repr(error))
        return self._say("failed", 500)

    def _say(self, name: str, status: int) -> Response:
        # Whoever opens a websocket here is at the wrong port, and has said no language.
        spoken = request.accept_languages.values() if has_request_context() else ()
        language = self._look.language_of(*spoken)
        page = self._look.page(name, language, status)
        if status == 503:
            page.headers["Retry-After"] = RETRY_AFTER
        return page


def _kept(body: str | bytes, kind: str) -> Response:
    """A file that is the same for everybody."""
    found = Response(body, content_type=kind)
    found.headers["Cache-Control"] = "public, max-age=3600"
    return found


def _route() -> str:
    """The rule that was asked for, without its token: a token in a log is a key in a log."""
    return str(request.url_rule or "none")
