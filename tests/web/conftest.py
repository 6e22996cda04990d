"""Pages take the same world as stories: the real turn loop, SQLite and mails, on a virtual clock."""

from __future__ import annotations

import pytest

from tests.web.operators import Operator
from tests.worlds import open_world


@pytest.fixture
async def world(tmp_path, autojump_clock):
    """Monday 2 March 2026, ten in the morning in Paris."""
    async with open_world(tmp_path, autojump_clock) as world:
        yield world


@pytest.fixture
async def operator(world):
    """An operator who has come in to the console."""
    found = Operator(world)
    await found.enters()
    return found
