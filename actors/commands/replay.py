"""`replay`: play a shop's invoices through a service of their own."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import trio
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from actors import replay, retail, settings
from actors.clock import WarpClock
from actors.commands import Words
from actors.commands.opening import listen, open_service
from actors.commands.resting import instant_in
from actors.settings import Settings
from ecrm.errors import Misconfigured
from ecrm.moment import Instant, format_instant

# A replay's mails are looked at and never sent, and two replays must be the same to the byte.
REPLAY_LINK_KEY: Final = b"links of a replay lead nowhere.."
REPLAY_KEY: Final = "sk_replay"


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    play = commands.add_parser("replay", parents=[shared])
    play.add_argument("file", type=Path, help="a CSV of invoices, .csv or .csv.gz")
    play.add_argument(
        "--from",
        dest="since",
        help="a date: go on from there, on a --data whose past was imported with --until it",
    )
    play.set_defaults(run=run)


def run(options: argparse.Namespace, configured: Settings) -> int:
    invoices = retail.read(options.file)
    if not invoices:
        raise Misconfigured(f"{options.file} holds no invoice")
    since = Instant(0)
    if options.since is not None:
        since = instant_in(options.since, "--from", retail.ZONE)
        if invoices[-1].at < since:
            raise Misconfigured(f"{options.file} holds no invoice from {options.since} on")
    if options.data is None:
        with tempfile.TemporaryDirectory(prefix="ecrm-replay-") as folder:
            return _replay_in(Path(folder), options, configured, invoices, since)
    return _replay_in(options.data, options, configured, invoices, since)


def _replay_in(
    folder: Path,
    options: argparse.Namespace,
    configured: Settings,
    invoices: list[retail.Invoice],
    since: Instant,
) -> int:
    if (folder / "ecrm.db").exists() and not since:
        raise Misconfigured(
            f"{folder} holds a database already: a replay wants a fresh --data, or goes on --from "
            "where that one stands"
        )
    key = settings.Key("replay", "secret", settings.hashed("secret", REPLAY_KEY))
    alone = msgspec.structs.replace(
        configured,
        database=folder / "ecrm.db",
        maildir=folder / "mail",
        gateway=msgspec.structs.replace(configured.gateway, host="127.0.0.1", port=0),
        keys=(key,),
    )
    with _progress(invoices, since) as told:
        result = trio.run(_replay_through, alone, invoices, since, told)
    if options.json:
        print(msgspec.json.encode(result).decode())
    else:
        _show(result, options.data)
    return 0


async def _replay_through(
    alone: Settings, invoices: list[retail.Invoice], since: Instant, told: replay.Progress
) -> replay.Result:
    start = max(since, invoices[0].at)
    clock = WarpClock(start, rate=0)
    async with trio.open_nursery() as connections:
        async with (
            open_service(alone, clock, REPLAY_LINK_KEY) as running,
            trio.open_nursery() as listening,
        ):
            if since and clock.now() > start:
                raise Misconfigured(
                    f"{alone.database} has lived until {format_instant(clock.now())}: import with "
                    "--until what --from says, into a fresh --data"
                )
            port = await listening.start(listen, running, connections)
            result = await replay.replay(running, clock, invoices, port, REPLAY_KEY, told, since)
            listening.cancel_scope.cancel()
        connections.cancel_scope.cancel()
    return result


@contextmanager
def _progress(invoices: list[retail.Invoice], since: Instant) -> Iterator[replay.Progress]:
    """A bar from the first line to the end of the days after, on a terminal's stderr."""
    first = max(since, invoices[0].at)
    span = invoices[-1].at + replay.AFTERWARDS - first
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("replay", total=span)

        def told(at: Instant) -> None:
            day = format_instant(at)[:10]
            bar.update(task, completed=at - first, description=day)

        yield told


def _show(result: replay.Result, folder: Path | None) -> None:
    out = Console(highlight=False)
    sums = Table(show_header=False, box=None)
    sums.add_row("from", result.from_)
    sums.add_row("until", result.until)
    for name in ("events", "customers", "visitors", "mails", "refused", "unmatched_returns"):
        sums.add_row(name.replace("_", " "), f"{getattr(result, name):,}")
    sums.add_row("wall time", f"{result.wall_s:.1f} s")
    sums.add_row("events/s", f"{result.events_per_s:,.0f}")
    out.print(sums)
    for title, counts in (
        ("mails by kind", result.mails_by_kind),
        ("mails by programme and step", result.mails_by_step),
        ("withheld by reason", result.withheld_by_reason),
        ("put off by reason", result.deferred_by_reason),
        ("mails by day", result.mails_by_day),
    ):
        table = Table(show_header=False)
        for name, count in counts.items():
            table.add_row(name, f"{count:,}")
        out.print(f"\n[bold]{title}[/]")
        out.print(table)
    if folder is not None:
        out.print(f"The mails are in {folder / 'mail' / 'new'}")
