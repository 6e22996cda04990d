"""The forecast of one customer for half a year (design §11: at most 50 ms).

    .venv/bin/python -m tests.bench.bench_forecast

Takes the customers with the most to come of a few hundred generated lives, and prints how long the
slowest of them took.
"""

from __future__ import annotations

import time

from ecrm.forecast import forecast
from ecrm.moment import days
from tests.fortunes import lived

LIVES = 300
BUDGET_MS = 50


def took(life) -> tuple[float, int, int]:
    """Milliseconds, turns and mails of the best of three: a busy machine is no slow forecast."""
    best, near = float("inf"), life.around
    for _ in range(3):
        began = time.perf_counter()
        said = forecast(life.rules, life.state, life.now, span=days(180), around=lambda *_: near)
        best = min(best, (time.perf_counter() - began) * 1_000)
    return best, said.turns, len(said.mails)


if __name__ == "__main__":
    found = sorted(took(lived(number)) for number in range(LIVES))
    half, slowest = found[LIVES // 2], found[-1]
    print(f"180 days of {LIVES} customers: half within {half[0]:.1f} ms")
    print(f"the slowest: {slowest[0]:.1f} ms, {slowest[1]} turns, {slowest[2]} mails")
    print("within the budget" if slowest[0] <= BUDGET_MS else "OVER THE BUDGET")
