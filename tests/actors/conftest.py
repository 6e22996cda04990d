"""The world of the stories, for actors that are tried in it."""

from __future__ import annotations

import pytest

from tests.worlds import open_world


@pytest.fixture
async def world(tmp_path, autojump_clock):
    async with open_world(tmp_path, autojump_clock) as opened:
        yield opened
