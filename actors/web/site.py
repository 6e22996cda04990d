"""The site: all the pages of the service on one desk, the judge of what is seen of mails, the API.

Other blueprints are added to the list here; the demo shop opens where it is wanted.
"""

from __future__ import annotations

from functools import cached_property

from quart import request
from quart_trio import QuartTrio

from actors import limits
from actors.door import Door
from actors.figures import Figures
from actors.proxies import Proxies
from actors.system import System
from actors.web import app
from actors.web.answers import Answers
from actors.web.api import Api
from actors.web.console.house import House
from actors.web.desk import Desk
from actors.web.hooks import Hooks
from actors.web.judge import Judge
from actors.web.leaving import Leaving
from actors.web.look import Look
from actors.web.mine import Mine
from actors.web.preferences import Preferences
from actors.web.tracks import Tracks
from actors.web.vitals import Vitals
from proto.session import Grant, Turned


class Site:
    def __init__(
        self,
        desk: Desk,
        look: Look,
        system: System,
        proxies: Proxies,
        door: Door,
        hooks: Hooks,
        figures: Figures,
        near: tuple[str, ...],
        *,
        console: House,
    ) -> None:
        self.desk = desk
        self._look = look
        self._system = system
        self._door = door
        self._proxies = proxies
        self._hooks = hooks
        self._figures = figures
        self._near = near
        self._console = console
        self.judge = Judge(desk, system.intake)

    @cached_property
    def app(self) -> QuartTrio:
        """Made when it is first wanted: a replay serves no pages, and routes take long to make."""
        desk, look, figures = self.desk, self._look, self._figures
        tracks = Tracks(desk, self.judge, self._proxies)
        api = Api(
            self._system,
            desk.clock,
            self._admit,
            refusals=figures.refusals,
            prove=self._door.keyring.proves,
            allow=self._allow,
        )
        return app.make(
            look,
            [
                tracks.blueprint(),
                Leaving(desk, look).blueprint(),
                Preferences(desk, look).blueprint(),
                Mine(desk, look).blueprint(),
                Answers(desk, look, tracks).blueprint(),
                api.blueprint(),
                self._hooks.blueprint(),
                Vitals(figures, self._proxies, self._near, self._admit).blueprint(),
                self._console.blueprint(self._door, self._address),
            ],
        )

    # The same door and limits as for websockets, asked within a request.

    def _admit(self, key: str) -> Grant | Turned | None:
        return self._door.admit(key, request.headers.get("Origin"), self._address())

    def _allow(self, grant: Grant, count: int) -> int:
        return self._door.limits.allow(grant, self._address(), count)

    def _address(self) -> str:
        forwarded = request.headers.getlist("X-Forwarded-For")
        return limits.counted(self._proxies.visitor(request.remote_addr or "", forwarded))
