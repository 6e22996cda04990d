"""An operator with a browser, for tests of the console's pages: a cookie, and forms of its own."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

from tests.worlds import OPERATOR

HERE = "http://localhost"


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
