"""Stories take `autojump_clock` beside `world`: pytest-trio runs a test on the clock among its own
arguments, and would use the wall's if only a fixture asked for it.
"""

from __future__ import annotations

import pytest

from tests.worlds import open_world


@pytest.fixture
async def world(tmp_path, autojump_clock):
    """Monday 2 March 2026, ten in the morning in Paris."""
    async with open_world(tmp_path, autojump_clock) as world:
        yield world
