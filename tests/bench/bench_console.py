"""How long the console takes to answer, with 200 000 customers in the store.

Run it as `python tests/bench/bench_console.py FOLDER [customers]`. The store is built in FOLDER
where there is none yet (some minutes, once). The real service is started on it, as `run.py serve
--warp`; then every op of the console is asked over its websocket and every page of the web console
over HTTP, of other customers each time. What takes longer than 200 ms is marked. Beside the time
stands the processor time that the service itself took for it, which a busy machine changes little.
"""

from __future__ import annotations

import http.client
import itertools
import os
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import msgspec
import trio
from websockets.sync.client import connect

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import crowd
from tests.bench.crowd import GIANT, customer_of, fate_of, mail_of, model, sort_of

ROOT = Path(__file__).parents[2]
CUSTOMERS = 200_000
ROUNDS = 40
BUDGET = 200.0
KEY = "ok_bench"

Request = dict[str, object]


class People:
    """Who is asked about: each time somebody else, as far as there are others."""

    def __init__(self, count: int) -> None:
        rng = random.Random(7)
        self.count = count
        self._numbers = [rng.randrange(count // 10, count - 1_000) for _ in range(4_000)]
        self._written = [n for n in self._numbers if model(sort_of(n)).mails]
        self._fates = {
            fate: iter([n for n in range(count // 10, count - 1_000)
                        if fate_of(n) == fate and model(sort_of(n)).mails][:1_000])
            for fate in ("queued", "dead", "expired")
        }  # fmt: skip
        self._anyone = itertools.cycle(self._numbers)
        self._somebody = itertools.cycle(self._written)

    def anyone(self) -> str:
        return customer_of(next(self._anyone))

    def held(self) -> str:
        return customer_of(self.count - 1 - next(self._held))

    _held = itertools.count()

    def mail(self) -> str:
        number = next(self._somebody)
        return mail_of(number, 0)

    def mail_that_is(self, fate: str) -> str:
        number = next(self._fates[fate])
        return mail_of(number, len(model(sort_of(number)).mails) - 1)


def ops(people: People) -> dict[str, Callable[[], Request]]:
    """Every op, by what it is called in the table; the op's own name is its first word."""
    who, giant = people.anyone, customer_of(GIANT)
    paid = {"type": "track", "event": "Product Viewed", "properties": {"product_id": "p3"}}
    of = {
        "inspect": {}, "timers": {}, "journal": {}, "at": {},
        "forecast": {}, "why-not": {"programme": "review"},
    }  # fmt: skip
    table: dict[str, Callable[[], Request]] = {
        "status": dict,
        "customers": dict,
        "customers (after)": lambda: {"after": who()},
        "customers (500)": lambda: {"limit": 500},
        "customers (by id)": lambda: {"search": who()[:4]},
        "customers (by address)": lambda: {"search": f"{who()}@cust"},
        "customers (nobody)": lambda: {"search": "zz"},
        **{name: lambda more=more: {"customer": who(), **more} for name, more in of.items()},
        **{
            f"{name} (giant)": lambda more=more: {"customer": giant, **more}
            for name, more in of.items()
        },
        "journal (500, giant)": lambda: {"customer": giant, "limit": 500},
        "at (seq)": lambda: {"customer": who(), "seq": 3},
        "at (what if)": lambda: {"customer": who(), "event": paid},
        "why": lambda: {"mail": people.mail()},
        "why (giant)": lambda: {"mail": mail_of(GIANT, 5)},
        "programmes": dict,
        "queue": dict,
        "queue (500)": lambda: {"limit": 500},
        "queue (accepted)": lambda: {"state": "accepted"},
        "queue (dead)": lambda: {"state": "dead", "limit": 500},
        "queue (held)": lambda: {"state": "held"},
        "queue (customer)": lambda: {"customer": who()},
        "queue (giant)": lambda: {"customer": giant},
        "mail": lambda: {"mail": people.mail()},
        "pause": lambda: {"scope": "lane", "name": "3", "reason": "bench"},
        "resume": lambda: {"scope": "lane", "name": "3"},
        "requeue": lambda: {"mail": people.mail_that_is("dead")},
        "cancel-mail": lambda: {"mail": people.mail_that_is("queued")},
        "quarantine": lambda: {"limit": 500},
        "quarantine (one)": lambda: {"number": 7},
        "release": lambda: {"customer": people.held()},
        "send": lambda: {"customer": who(), "event": paid},
        "send (giant)": lambda: {"customer": giant, "event": paid},
        "clock": dict,
        "clock (1s)": lambda: {"advance": "1s"},
        "operations": lambda: {"limit": 500},
        "satisfaction": dict,
        "keys": dict,
        "unsuppress": lambda: {"customer": who()},
        "drain": dict,
        "tail": lambda: {"outcome": "mail"},
    }
    return table


def pages(people: People) -> dict[str, Callable[[], str]]:
    def at(path: str, **query: Callable[[], str] | str) -> Callable[[], str]:
        def made() -> str:
            said = {name: one() if callable(one) else one for name, one in query.items()}
            return f"/console{path}?{urlencode(said)}" if said else f"/console{path}"

        return made

    who, giant = people.anyone, customer_of(GIANT)
    return {
        "overview": at("/"),
        "status.json": at("/status.json"),
        "customers": at("/customers"),
        "customers (search)": at("/customers", search=lambda: who()[:4]),
        "customers (address)": at("/customers", search=lambda: f"{who()}@"),
        "customer": at("/customer", id=who),
        "customer (giant)": at("/customer", id=giant),
        "customer (why not)": at("/customer", id=who, programme="review"),
        "customer (why not, giant)": at("/customer", id=giant, programme="review"),
        "customer (mails)": at("/customer", id=who, show="mails"),
        "mailbox": at("/mailbox"),
        "mailbox (customer)": at("/mailbox", customer=who),
        "mail": at("/mail", id=people.mail),
        "mail/html": at("/mail/html", id=people.mail),
        "queue": at("/queue"),
        "queue (accepted)": at("/queue", state="accepted"),
        "programmes": at("/programmes"),
        "quarantine": at("/quarantine", number="7"),
        "clock": at("/clock"),
    }


# The service.


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Took(NamedTuple):
    """Milliseconds: until the answer was there, and of processor in the service."""

    wall: float
    cpu: float


class Watch:
    """What a service takes to do something."""

    def __init__(self, process: int) -> None:
        self._tasks = Path(f"/proc/{process}/task")

    def _ran(self) -> int:
        """Nanoseconds on a processor, of all threads there are."""
        return sum(
            int((task / "schedstat").read_text().split()[0]) for task in self._tasks.iterdir()
        )

    def timed(self, work: Callable[[], object]) -> Took:
        ran, began = self._ran(), time.perf_counter()
        work()
        return Took(1e3 * (time.perf_counter() - began), (self._ran() - ran) / 1e6)


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, int, Watch]]:
    """The service in a process of its own: its two ports, and what measures it."""
    gateway, web = free_port(), free_port()
    config = folder / "ecrm.toml"
    config.write_text(
        f"[gateway]\nport = {gateway}\n[web]\nport = {web}\n"
        f'[[keys]]\nid = "bench"\nkind = "operator"\nkey = "{KEY}"\n',
        encoding="utf-8",
    )
    command = [sys.executable, "run.py", "serve", "--warp", "--config", config, "--data", folder]
    began = time.monotonic()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", web), 1).close()
                break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError((folder / "log").read_text()) from None
                time.sleep(0.05)
        print(f"serving after {time.monotonic() - began:.1f} s")
        yield gateway, web, Watch(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


# What is measured.


def ask_all(port: int, watch: Watch, people: People, rounds: int) -> dict[str, list[Took]]:
    took: dict[str, list[Took]] = {}
    numbers = itertools.count(1)
    with connect(f"ws://127.0.0.1:{port}/v1/console", max_size=2**26) as websocket:
        websocket.send(f'{{"type":"hello","key":"{KEY}"}}')
        websocket.recv()

        def ask(op: str, about: Request) -> None:
            number = next(numbers)
            frame = msgspec.json.encode({"id": number, "op": op, **about}).decode()
            websocket.send(frame)
            answer = msgspec.json.decode(websocket.recv())
            assert answer["id"] == number, (op, answer)
            if op == "tail":
                websocket.send(f'{{"id":{number},"op":"cancel"}}')
                answer = msgspec.json.decode(websocket.recv())
            refused = answer.get("error", {}).get("code")
            assert refused in (None, "no_trigger"), (op, about, answer)

        for _ in range(rounds):
            for name, about in ops(people).items():
                op, made = name.partition(" ")[0], about()
                took.setdefault(name, []).append(watch.timed(partial(ask, op, made)))
        learnt = watch.timed(partial(ask, "relearn", {}))
    print(f"relearn, a job that answers when it is done: {learnt.wall:,.0f} ms")
    return took


def look_at_all(port: int, watch: Watch, people: People, rounds: int) -> dict[str, list[Took]]:
    browser = http.client.HTTPConnection("127.0.0.1", port)
    origin = {"Origin": f"http://127.0.0.1:{port}"}
    form = {**origin, "Content-Type": "application/x-www-form-urlencoded"}
    browser.request("POST", "/console/login", urlencode({"key": KEY}), form)
    entered = browser.getresponse()
    entered.read()
    assert entered.status == 303, entered.status
    cookie = {"Cookie": entered.headers["Set-Cookie"].partition(";")[0]}

    def look(path: str) -> None:
        browser.request("GET", path, headers=cookie)
        answer = browser.getresponse()
        text = answer.read()
        assert answer.status == 200, (path, answer.status, text[-300:])

    took: dict[str, list[Took]] = {}
    for _ in range(rounds):
        for name, path in pages(people).items():
            where = path()
            took.setdefault(name, []).append(watch.timed(partial(look, where)))
    return took


def tell(title: str, took: dict[str, list[Took]]) -> int:
    """Print a table, the slowest first; how many are over the budget."""
    over, times = 0, max(map(len, took.values()))
    print(f"\n{title:<28} {'median':>9} {'p99':>9} {'cpu':>9} {'p99':>9}   ms, {times} times each")
    rows = [
        (*_spread([one.wall for one in all_]), *_spread([one.cpu for one in all_]), name)
        for name, all_ in took.items()
    ]
    for middle, last, cpu, most, name in sorted(rows, reverse=True):
        mark = "  over" if middle > BUDGET else "  p99 over" if last > BUDGET else ""
        over += middle > BUDGET
        print(f"{name:<28} {middle:>9.1f} {last:>9.1f} {cpu:>9.1f} {most:>9.1f}{mark}")
    return over


def _spread(times: list[float]) -> tuple[float, float]:
    ordered = sorted(times)
    return statistics.median(ordered), ordered[max(0, len(ordered) * 99 // 100 - 1)]


def main(folder: Path, count: int) -> None:
    built = folder / f"crowd-{count}.db"
    if not built.exists():
        folder.mkdir(parents=True, exist_ok=True)
        half = folder / "building.db"
        half.unlink(missing_ok=True)
        trio.run(crowd.build, half, count)
        half.rename(built)
    # What is asked changes the store: each run has a copy.
    with tempfile.TemporaryDirectory(dir=folder) as made:
        shutil.copyfile(built, Path(made) / "ecrm.db")
        with served(Path(made)) as (gateway, web, watch):
            print(f"{count:,} customers; load {os.getloadavg()[0]:.1f}")
            people = People(count)
            over = tell("op", ask_all(gateway, watch, people, ROUNDS))
            over += tell("page of the web console", look_at_all(web, watch, people, ROUNDS))
    print(f"\n{over} over {BUDGET:.0f} ms; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else CUSTOMERS)
