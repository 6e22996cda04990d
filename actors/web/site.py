"""The site: all the pages of the service on one desk, the judge of what is seen of mails, the API.

Other blueprints (a demo shop, a console) are added to the list here.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.system import System
from actors.web import app
from actors.web.answers import Answers
from actors.web.api import Api
from actors.web.desk import Desk
from actors.web.hooks import Hooks
from actors.web.judge import Judge
from actors.web.leaving import Leaving
from actors.web.look import Look
from actors.web.mine import Mine
from actors.web.preferences import Preferences
from actors.web.proxies import Proxies
from actors.web.tracks import Tracks
from proto.session import Grant


class Site:
    def __init__(
        self,
        desk: Desk,
        look: Look,
        system: System,
        proxies: Proxies,
        authenticate: Callable[[str], Grant | None],
        hooks: Hooks,
    ) -> None:
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
                Api(system, desk.clock, authenticate).blueprint(),
                hooks.blueprint(),
            ],
        )
