"""The site: all the pages of the service on one desk, the judge of what is seen of mails, the API.

Other blueprints are added to the list here; the demo shop opens where it is wanted.
"""

from __future__ import annotations

from quart import request

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
        self._door = door
        self._proxies = proxies
        self.judge = Judge(desk, system.intake)
        tracks = Tracks(desk, self.judge, proxies)
        self.app = app.make(
            look,
            [
                tracks.blueprint(),
                Leaving(desk, look).blueprint(),
                Preferences(desk, look).blueprint(),
                Mine(desk, look).blueprint(),
                Answers(desk, look, tracks).blueprint(),
                Api(
                    system,
                    desk.clock,
                    self._admit,
                    refusals=figures.refusals,
                    prove=door.keyring.proves,
                    allow=self._allow,
                ).blueprint(),
                hooks.blueprint(),
                Vitals(figures, proxies, near, self._admit).blueprint(),
                console.blueprint(door, self._address),
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
