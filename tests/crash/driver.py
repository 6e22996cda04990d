"""The real service on a clock that stands still, for a test that kills it.

    python tests/crash/driver.py FOLDER START [STEP:N]

Everything in it is the product's own: SQLite, Maildir, gateway on loopback, console. START is the
instant at which its clock stands until the console pushes it. Its port is the first line it writes.

STEP names a moment of a store's call: `claim`, `submitting`, `settle`, or `commit` (those that hold
events), with `-` before or `+` after it. At the N-th such moment the process stands still until
what it had let out has left, and kills itself, as suddenly as any kill -9.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import msgspec
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from actors import logs, service, settings
from actors.clock import WarpClock
from actors.outside import open_outside
from actors.store.sqlite import open_store
from ecrm.delivery.limiter import limit
from ecrm.delivery.policy import Policy
from ecrm.moment import Instant
from tests.crash.mortal import mortal

SECRET, OPERATOR = "sk_crash", "ok_crash"
# The same in every life: the links are part of what is compared.
LINK_KEY = b"links of a crash test lead nowhere"[:32]


def configured(folder):
    keys = tuple(
        settings.Key(kind, kind, settings.hashed(kind, key))
        for kind, key in (("secret", SECRET), ("operator", OPERATOR))
    )
    loaded = settings.load(Path("no-such.toml"), folder, {})
    # Fast enough that no instant of the load waits for its rate.
    return msgspec.structs.replace(loaded, keys=keys, delivery=Policy(limit(10_000)))


async def serve(folder, start, step):
    clock = WarpClock(start, rate=0)
    at = configured(folder)
    async with (
        open_outside() as outside,
        open_store(at.database, outside, clock.now) as store,
        service.running(at, mortal(store, step), clock, outside, LINK_KEY) as running,
        trio.open_nursery() as nursery,
    ):
        listeners = await nursery.start(
            partial(trio.serve_tcp, running.gateway.serve_stream, 0, host="127.0.0.1")
        )
        print(listeners[0].socket.getsockname()[1], flush=True)
        await trio.sleep_forever()


if __name__ == "__main__":
    logs.configure(json=False, quiet=True)
    trio.run(serve, Path(sys.argv[1]), Instant(int(sys.argv[2])), (*sys.argv[3:], "")[0])
