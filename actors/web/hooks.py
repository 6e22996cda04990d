"""Hooks: `POST /hooks/<provider>`, where mail providers tell what became of mails.

Who it is comes first: a provider without settings has no such page (404), a signature that is not
right is 401, whatever is wrong with it. What was proved is answered 200 once it is durable, and 503
where it could not be kept, so that the provider tells it again; repeated, it is applied once. SNS
asks whether it may send here: it is told so, at AWS and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog
from quart import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from actors.clock import Clock
from actors.doors import Fetch, Prove
from actors.returns import Returns
from actors.web.bodies import HOOKS
from ecrm.delivery import webhooks
from ecrm.delivery.webhooks import Provider, proof, ses
from ecrm.delivery.webhooks.proof import Proof
from ecrm.errors import Rejected, Undelivered
from ecrm.moment import Instant

log = structlog.get_logger()

# Requests that were taken and could still be repeated; beyond so many the customers remember.
REMEMBERED: Final = 10_000
AGAIN_IN: Final = "30"


class Hooks:
    def __init__(
        self, returns: Returns, provers: Mapping[Provider, Prove], fetch: Fetch, clock: Clock
    ) -> None:
        self._returns = returns
        self._provers = provers
        self._fetch = fetch
        self._clock = clock
        self._seen: dict[str, Instant] = {}

    def blueprint(self) -> Blueprint:
        hooks = Blueprint("hooks", __name__)
        hooks.add_url_rule(f"{HOOKS}<provider>", "take", self.take, methods=["POST"])
        return hooks

    async def take(self, provider: str) -> Response:
        name = next((one for one in self._provers if one == provider), None)
        if name is None:
            raise NotFound
        body = await request.get_data(cache=True, as_text=False, parse_form_data=False)
        headers = {key.lower(): value for key, value in request.headers.items()}
        now = self._clock.now()
        try:
            proved = await self._provers[name](proof.Request(headers, body), now)
            if self._is_repeated(name, proved, now):
                return Response("known already\n", 200, content_type="text/plain")
            durable = await self._apply(name, body, now)
        except Rejected as error:
            log.warning("hook_refused", provider=name, code=error.code)
            status = 401 if error.code == "bad_signature" else 400
            return Response(f"{error}\n", status, content_type="text/plain")
        except Undelivered as error:
            log.warning("hook_later", provider=name, error=str(error))
            return _later()
        if not durable:
            return _later()
        self._remember(name, proved)
        return Response("taken\n", 200, content_type="text/plain")

    async def _apply(self, provider: Provider, body: bytes, now: Instant) -> bool:
        """Bring every event to its customer. False where one of them has to be told again."""
        if provider == "ses":
            await self._subscribe(body)
        durable = True
        for event in webhooks.read(provider, body, now):
            durable = await self._returns.take_event(provider, event) and durable
        return durable

    async def _subscribe(self, body: bytes) -> None:
        wanted = ses.subscription(proof.sns_message(body))
        if wanted is not None and wanted.url:
            await self._fetch(wanted.url)
            log.info("hook_subscribed", topic=wanted.topic)

    def _is_repeated(self, provider: Provider, proved: Proof, now: Instant) -> bool:
        until = self._seen.get(f"{provider}/{proved.remember}")
        return bool(proved.remember) and until is not None and until >= now

    def _remember(self, provider: Provider, proved: Proof) -> None:
        if proved.remember:
            self._seen[f"{provider}/{proved.remember}"] = proved.until
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]


def _later() -> Response:
    answer = Response("not now, tell it again\n", 503, content_type="text/plain")
    answer.headers["Retry-After"] = AGAIN_IN
    return answer
