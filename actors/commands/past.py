"""`import orders` and `import customers`: what a shop knew before becomes part of its customers'
lives, and nobody is written to about it.
"""

from __future__ import annotations

import argparse
import csv
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import trio

from actors import columns, past, past_orders, remembering, tables
from actors.commands import Words
from actors.commands.resting import at_rest, bar, instant_in, wall_now
from actors.past import Found, Limits
from actors.settings import Settings
from ecrm import calendar
from ecrm.errors import Misconfigured
from ecrm.moment import NEVER, format_instant
from ecrm.rules import Rules

# What a dry run shows of what is refused; the file of an import has all.
SHOWN: Final = 10
WIDTH: Final = 400


def add(brought: Words, shared: argparse.ArgumentParser) -> None:
    for what, names in (("orders", columns.ORDER), ("customers", columns.CUSTOMER)):
        told = brought.add_parser(
            what, parents=[shared], help=f"{what} of the past; nobody is written to about them"
        )
        told.add_argument("file", type=Path, help=".csv or .jsonl, or these as .gz")
        told.add_argument(
            "--map", help="a TOML file that says which column is what, or retail; else our names"
        )
        told.add_argument("--until", help="a date: what happened from then on is left for later")
        told.add_argument(
            "--dry-run", action="store_true", help="say what is in it; change nothing"
        )
        told.add_argument("--refused", type=Path, help="where refused rows go: FILE.refused.csv")
        told.set_defaults(run=partial(_run, what, names))


def _run(
    what: str, names: tuple[str, ...], options: argparse.Namespace, configured: Settings
) -> int:
    try:
        mapped = columns.load(options.map, names)
        reader = columns.Reader(mapped, _zone_of(configured))
        limits = _limits(options, reader.zone)
        found = _read(what, names, options, reader, limits, configured.shop.currency)
        if options.dry_run:
            _rehearsed(what, found, options)
            return 1 if found.refused else 0
        with bar(what, len(found.told)) as told:
            done = trio.run(
                _remember, found, configured, limits, told,
                restrict_keyboard_interrupt_to_checkpoints=True,
            )  # fmt: skip
    except KeyboardInterrupt:
        print("ecrm: interrupted before anything was written", file=sys.stderr)
        return 1
    refused = sorted([*found.refused, *done.refused])
    written = _write_refused(refused, options)
    _say(what, found, done, refused, written, options)
    return 1 if refused or done.stopped else 0


def _limits(options: argparse.Namespace, zone: ZoneInfo) -> Limits:
    """An import with an end is taken at that end: there the folder stands afterwards."""
    now = wall_now()
    if options.until is None:
        return Limits(now, NEVER)
    until = instant_in(options.until, "--until", zone)
    return Limits(min(now, until), until)


def _zone_of(configured: Settings) -> ZoneInfo:
    zone = calendar.zone_of(configured.shop.timezone)
    assert zone is not None
    return zone


def _read(
    what: str,
    names: tuple[str, ...],
    options: argparse.Namespace,
    reader: columns.Reader,
    limits: Limits,
    currency: str,
) -> Found:
    source = options.file.name
    with tables.read(options.file, what.removesuffix("s"), reader.map.encoding) as table:
        if table.columns is not None:
            reader.check(options.file, table.columns, names)
        if what == "orders":
            return past_orders.orders(table, reader, source, limits, currency)
        return past.customers(table, reader, source, limits)


async def _remember(
    found: Found, configured: Settings, limits: Limits, told: remembering.Progress
) -> remembering.Remembered:
    rules = Rules(configured.shop, configured.limits, configured.programmes, configured.thresholds)
    stopping = trio.Event()
    async with at_rest(configured) as store, trio.open_nursery() as nursery:
        nursery.start_soon(_hear_signals, stopping)
        # A clock that was pushed forward has seen more than the wall's: it must not go back.
        now = max(limits.now, await store.last_at() or limits.now)
        done = await remembering.into_store(found, store, rules, now, told, stopping)
        nursery.cancel_scope.cancel()
    return done


async def _hear_signals(stopping: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            stopping.set()


# What is said of it.


def _write_refused(refused: list[tuple[int, str]], options: argparse.Namespace) -> Path | None:
    """Where the refused rows were written; an older file of that name is emptied."""
    path = options.refused or options.file.with_name(f"{options.file.name}.refused.csv")
    if not refused and not path.exists():
        return None
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("line", "reason"))
            rows.writerows(refused)
    except OSError as error:
        raise Misconfigured(
            f"cannot write {path}: {error.strerror}; name another with --refused"
        ) from None
    return path if refused else None


def _counts(what: str, found: Found) -> dict[str, int]:
    """What is in the file, by the words for it."""
    back = sum(one.takes_back for one in found.told)
    counts = {"customers": found.customers}
    if what == "orders":
        counts |= {
            "orders": len(found.told) - back,
            "returns": back,
            "products": len(found.products),
            "without_customer": found.guests,
            "fees_alone": found.fees,
            "ignored": found.ignored,
        }
    return counts | {"later": found.later}


def _say(
    what: str,
    found: Found,
    done: remembering.Remembered,
    refused: list[tuple[int, str]],
    written: Path | None,
    options: argparse.Namespace,
) -> None:
    counts = _counts(what, found)
    if options.json:
        answer = {
            **counts,
            "told": done.told,
            "known": done.known,
            "new_products": done.products,
            "unmatched_returns": done.unmatched,
            "refused": len(refused),
            "refused_file": str(written) if written else None,
            "stopped": done.stopped,
        }
        print(msgspec.json.encode(answer).decode())
        return
    print(
        f"{done.told:,} {what} of the past are remembered, {done.known:,} were before; "
        f"{len(refused):,} rows refused. Nobody is written to about them."
    )
    if done.unmatched:
        print(f"{done.unmatched:,} returns are of no order that is known.")
    passed = [f"{count:,} {_WORDS[name]}" for name, count in counts.items() if name in _WORDS]
    print(f"Passed over: {', '.join(passed)}.")
    if written:
        print(f"The refused rows, with the reasons, are in {written}")
        line, reason = refused[0]
        print(f"ecrm: {options.file}:{line}: {reason}", file=sys.stderr)
    if done.stopped:
        left = len(found.told) - done.told - done.known
        print(f"ecrm: stopped with {left:,} left: the same command goes on", file=sys.stderr)


_WORDS: Final = {
    "without_customer": "orders without a customer",
    "fees_alone": "of fees alone",
    "ignored": "that the shop calls none",
    "later": "of later",
}


def _rehearsed(what: str, found: Found, options: argparse.Namespace) -> None:
    counts = _counts(what, found) | {"refused": len(found.refused)}
    times = [one.at for one in found.told if one.at]
    first = format_instant(min(times)) if times else ""
    last = format_instant(max(times)) if times else ""
    example = min(found.told, key=lambda one: one.line, default=None)
    if options.json:
        answer = {
            **counts,
            "from": first,
            "until": last,
            "refused_rows": [{"line": line, "reason": why} for line, why in found.refused],
            "example": example,
        }
        print(msgspec.json.encode(answer).decode())
        return
    for name, count in counts.items():
        print(f"{name.replace('_', ' '):<18} {count:>9,}")
    print(f"{'from':<18} {first}\n{'until':<18} {last}")
    for line, reason in found.refused[:SHOWN]:
        print(f"refused: {options.file}:{line}: {reason}")
    if example is not None:
        print(f"\nThe first of line {example.line}, as {example.customer_id} would remember it:")
        for one in example.history.past:
            shown = msgspec.json.encode(one.deed).decode()
            print(f"  {format_instant(one.at)} {shown[:WIDTH]}{'…' * (len(shown) > WIDTH)}")
    print("\nNothing was changed.")
