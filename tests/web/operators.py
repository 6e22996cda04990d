"""An operator with a browser, for tests of the console's pages: a cookie, and forms of its own."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import urlencode

from tests.worlds import OPERATOR

HERE = "http://localhost"
HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>' onmouseover='x"


class Operator:
    def __init__(self, world) -> None:
        self._app = world.service.web.app
        self.client = self._app.test_client()
        self.token = ""

    async def get(self, path: str, **query: str):
        """The answer; `query` is what stands behind the question mark."""
        return await self.client.get(f"{path}?{urlencode(query)}" if query else path)

    async def sees(self, path: str, **query: str) -> str:
        """The page, which must be there."""
        answer = await self.get(path, **query)
        text = await answer.get_data(as_text=True)
        assert answer.status_code == 200, (path, answer.status_code, text)
        return text

    async def posts(self, path: str, form: dict[str, str], origin: str = HERE):
        headers = {"Origin": origin} if origin else {}
        return await self.client.post(path, form=form, headers=headers)

    async def enters(self, key: str = OPERATOR, **form: str):
        answer = await self.posts("/console/login", {"key": key, **form})
        if answer.status_code == 303:
            page = await self.sees("/console/")
            self.token = re.search(r'name="token" value="([^"]+)"', page)[1]
        return answer

    async def does(self, op: str, **form: str) -> str:
        """What the console says of a deed."""
        answer = await self.posts(f"/console/do/{op}", {"token": self.token, **form})
        assert answer.status_code == 303, await answer.get_data(as_text=True)
        return said(await self.sees(answer.headers["Location"]))


def said(page: str) -> str:
    found = re.search(r'<p class="said" role="status">(.*?)</p>', page, re.DOTALL)
    return unescape(found[1]) if found else ""


class Markup(HTMLParser):
    """The elements of a page, each with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def assert_harmless(page: str, where: str) -> None:
    """Nothing on the page runs but the console's own files, and no link leads out of it."""
    for tag, attrs in Markup(page).found:
        assert tag not in ("img", "b", "style", "object", "base"), (where, tag, attrs)
        assert tag != "script" or str(attrs["src"]).startswith("/console/static/"), (where, attrs)
        assert not [name for name in attrs if name.startswith("on")], (where, tag, attrs)
        for name in ("href", "src", "action"):
            to = attrs.get(name, "/")
            assert str(to).startswith(("/console/", "/brand.css", "/icon.svg", "/", "#")), (
                where,
                to,
            )
            assert not str(to).startswith("//")
