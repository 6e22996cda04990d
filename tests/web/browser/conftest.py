"""One browser and one service for each file of tests: a start costs seconds, a tab none."""

from __future__ import annotations

import pytest

from tests.browsers import chromium, serving
from tests.web.browser.shopping import a_life


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A service that has written to ana (English), zoe (French) and others who live the same
    life, until a month after their parcels left.
    """
    with serving(tmp_path_factory.mktemp("house")) as opened:
        a_life(opened)
        yield opened
