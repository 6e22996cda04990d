"""How many mails a second one core composes: Jinja, MIME and links, unsigned (design §11: 3 000).

Run it alone: `python tests/bench/bench_compose.py`. Every mail has other amounts, names and ids, so
that no cache helps more than it would in a shop.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TypeVar

import msgspec

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from actors import samples  # noqa: E402 - the path comes first
from actors.compose import Composer  # noqa: E402
from actors.templates import Templates  # noqa: E402
from ecrm.links import LinkKey, LinkKeys  # noqa: E402
from ecrm.mail import Mail, ShownCart, ShownOrder  # noqa: E402
from ecrm.moment import Instant  # noqa: E402

BUDGET = 3_000
TEMPLATES = ("confirmation/confirmed", "cart/reminder", "shipment/shipped", "welcome/week-1")


Owner = TypeVar("Owner", ShownCart, ShownOrder)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def varied(mail: Mail, n: int) -> Mail:
    def lines(owner: Owner) -> Owner:
        changed = tuple(
            msgspec.structs.replace(line, price=line.price + n, name=f"{line.name} {n}")
            for line in owner.lines
        )
        return msgspec.structs.replace(owner, lines=changed, total=owner.total + n)

    values = mail.values
    values = msgspec.structs.replace(
        values,
        cart=lines(values.cart) if values.cart else None,
        order=lines(values.order) if values.order else None,
    )
    mail_id = f"{n:08x}-ac96-774b-bcce-b302099a8057"
    return msgspec.structs.replace(mail, mail_id=mail_id, at=Instant(mail.at + n), values=values)


def main(count: int = 4_000) -> int:
    keys = LinkKeys(LinkKey(1, b"b" * 32))
    composer = Composer(
        Templates(ROOT / "templates", samples.SHOP), samples.SHOP, samples.SETTINGS, keys
    )
    slowest = 0.0
    for name in TEMPLATES:
        mails = [varied(samples.sample(name), n) for n in range(count)]
        composer.compose(mails[0])
        started = time.perf_counter()
        size = sum(len(composer.compose(mail).bytes) for mail in mails)
        each = (time.perf_counter() - started) / count
        slowest = max(slowest, each)
        say(f"{name:24} {1 / each:7.0f} mails/s  {each * 1e6:5.0f} µs  {size // count} bytes")
    say(f"slowest {1 / slowest:.0f}/s, budget {BUDGET}/s")
    return 0 if 1 / slowest >= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
