"""ecrm's command line, and the one place where its parts are put together.

    run.py serve [--warp] [--demo]     run the service
    run.py check                       read settings, programmes, templates; say what is wrong
    run.py preview [--open]            all mails in all languages, on one page
    run.py import products FILE        fill the catalogue from a CSV or JSONL file
    run.py replay FILE                 play a shop's invoices through a service of their own
    run.py why MAIL                    why a mail went: event, rule, values
    run.py clean --rehearse            who would be struck off the list, under each definition
    run.py console -c COMMAND          ask the running service

All take `--config ecrm.toml` and `--data DIR`; `--json` where there is something to read. Exit
status: 0 done, 1 failed with one line on stderr saying what to do, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import tempfile
import time
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog
import trio
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from actors import (
    cleaning,
    demo,
    imports,
    keys,
    logs,
    preview,
    proof,
    replay,
    retail,
    samples,
    service,
    settings,
    stocking,
    terminal,
    why,
)
from actors.client import connect
from actors.clock import Clock, WallClock, WarpClock
from actors.gateway import EVENTS_PATH
from actors.outside import open_outside
from actors.service import Service
from actors.settings import Settings
from actors.store.sqlite import SqliteStore, open_store
from actors.templates import Templates
from actors.web import server
from ecrm import moment, programme, programmes
from ecrm.errors import EcrmError, Misconfigured
from ecrm.moment import Instant
from ecrm.rules import Rules

log = structlog.get_logger()

# A replay's mails are looked at and never sent, and two replays must be the same to the byte.
REPLAY_LINK_KEY: Final = b"links of a replay lead nowhere.."
REPLAY_KEY: Final = "sk_replay"


def main() -> int:
    options = _parser().parse_args()
    logs.configure(json=options.json, quiet=options.run is not _serve)
    status = 1
    try:
        configured = settings.load(_config(options.config), options.data, os.environ)
        status = options.run(options, configured)
    except* EcrmError as errors:
        print(f"ecrm: {_first(errors)}", file=sys.stderr)
    return status


def _config(named: Path | None) -> Path:
    """A file that was named must be there; without one, `ecrm.toml` counts where it is."""
    if named is not None and not named.exists():
        raise Misconfigured(f"there is no {named}: name another --config, or leave it out")
    return named or Path("ecrm.toml")


def _first(errors: BaseExceptionGroup[EcrmError]) -> BaseException:
    found: BaseException = errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--config", type=Path, help="the settings file; ecrm.toml where there is one"
    )
    shared.add_argument("--data", type=Path, help="folder of the database and the Maildir")
    shared.add_argument("--json", action="store_true", help="answer in JSON")
    parser = argparse.ArgumentParser(
        prog="run.py", description="ecrm writes to a shop's customers at the right moment."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", parents=[shared], help="run the service")
    serve.add_argument("--warp", action="store_true", help="a clock that can be pushed forward")
    serve.add_argument("--demo", action="store_true", help="a few products, and --warp")
    serve.set_defaults(run=_serve)

    check = commands.add_parser("check", parents=[shared], help="check settings and templates")
    check.set_defaults(run=_check)

    show = commands.add_parser("preview", parents=[shared], help="all mails on one page")
    show.add_argument("--out", type=Path, default=Path("var/preview.html"), help="the page")
    show.add_argument("--open", action="store_true", help="and open it in a browser")
    show.set_defaults(run=_preview)

    bring = commands.add_parser("import", help="bring in what a shop has already")
    brought = bring.add_subparsers(required=True, metavar="WHAT")
    goods = brought.add_parser("products", parents=[shared], help="the catalogue")
    columns = "the header names properties of Product Upserted; lists between |"
    goods.add_argument("file", type=Path, help=f".csv ({columns}) or .jsonl, or these as .gz")
    goods.add_argument("--key", help="a secret key: import through the service that is running")
    goods.set_defaults(run=_import_products)

    cause = commands.add_parser("why", parents=[shared], help="why a mail went")
    cause.add_argument("mail", help="its id: in `queue`, in each Message-ID, in each file's name")
    cause.set_defaults(run=_why)

    clean = commands.add_parser("clean", parents=[shared], help="clean the list of addresses")
    clean.add_argument(
        "--rehearse", action="store_true", required=True, help="say who would go; change nothing"
    )
    clean.set_defaults(run=_clean)

    play = commands.add_parser("replay", parents=[shared], help="play a shop's invoices")
    play.add_argument("file", type=Path, help="a CSV of invoices, .csv or .csv.gz")
    play.set_defaults(run=_replay)

    ask = commands.add_parser("console", parents=[shared], help="ask the running service")
    ask.add_argument("-c", dest="command", required=True, help=terminal.USAGE)
    ask.add_argument("--key", help="the operator key; otherwise ECRM_OPERATOR_KEY")
    ask.set_defaults(run=_console)
    return parser


# serve


def _serve(options: argparse.Namespace, configured: Settings) -> int:
    clock = WarpClock(_wall_now()) if options.warp or options.demo else WallClock()
    trio.run(
        partial(_serve_until_stopped, configured, clock, options),
        restrict_keyboard_interrupt_to_checkpoints=True,
    )
    return 0


async def _serve_until_stopped(
    configured: Settings, clock: Clock, options: argparse.Namespace
) -> None:
    """Serve until the first SIGINT or SIGTERM; a second one cuts the stop short."""
    stopping = trio.Event()
    async with trio.open_nursery() as connections:
        connections.start_soon(_hear_signals, stopping, connections.cancel_scope)
        for note in configured.idle:
            log.warning("setting_idle", note=note)
        async with (
            _open(configured, clock) as running,
            trio.open_nursery() as listening,
            trio.open_nursery() as pages,
        ):
            made = await _first_keys(running)
            if options.demo:
                await demo.seed(running)
            port = await listening.start(_listen, running, connections)
            web = await pages.start(server.serve, running.web.app, configured.web, stopping.wait)
            _announce(configured, port, web, made, options)
            # What is there by now stays: the collector need not look at it again (style §4.7).
            gc.freeze()
            await stopping.wait()
            # No new sockets from here; leaving the service tells goodbye to those who are there.
            listening.cancel_scope.cancel()
        connections.cancel_scope.cancel()
    log.info("stopped")


@asynccontextmanager
async def _open(
    configured: Settings, clock: Clock, link_key: bytes | None = None
) -> AsyncIterator[Service]:
    folder = configured.database.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"cannot make the folder {folder}: {error.strerror}; name another with --data"
        ) from None
    async with (
        open_outside() as outside,
        open_store(configured.database, outside, clock.now) as store,
    ):
        if isinstance(clock, WarpClock):
            # Pushed forward before, it must not stand behind what has happened since.
            clock.resume(await store.last_at() or clock.now())
        async with service.running(configured, store, clock, outside, link_key) as running:
            yield running


async def _first_keys(running: Service) -> dict[settings.KeyKind, str]:
    """On the very first start there are no keys, or not of every kind: make them."""
    made = await keys.make_missing(running.store, running.settings.keys, running.clock.now())
    running.keyring.add(await keys.stored(running.store))
    return made


async def _listen(
    running: Service,
    connections: trio.Nursery,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    at = running.settings.gateway
    try:
        listeners = await trio.open_tcp_listeners(at.port, host=at.host)
    except OSError as error:
        raise Misconfigured(
            f"cannot listen on {at.host}:{at.port}: {error.strerror or error}; "
            "set another gateway.port, or stop what is there"
        ) from None
    task_status.started(listeners[0].socket.getsockname()[1])
    # A connection outlives its listener: it is told goodbye before it is cut.
    await trio.serve_listeners(running.gateway.serve_stream, listeners, handler_nursery=connections)


async def _hear_signals(stopping: trio.Event, everything: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            name = signal.Signals(number).name
            if stopping.is_set():
                log.warning("stop_cut_short", signal=name)
                everything.cancel()
                return
            log.info("stopping", signal=name)
            stopping.set()


def _named(options: argparse.Namespace) -> str:
    """The settings file, as another command has to name it."""
    return f" --config {options.config}" if options.config is not None else ""


def _announce(
    configured: Settings,
    port: int,
    web: str,
    made: dict[settings.KeyKind, str],
    options: argparse.Namespace,
) -> None:
    out = Console(highlight=False, soft_wrap=True)
    url = f"ws://{configured.gateway.host}:{port}"
    out.print(f"[bold]ecrm is ready.[/] Events at {url}/v1/events, console at {url}/v1/console")
    out.print(f"Pages behind the links of mails at {web}")
    out.print(f"Database {configured.database}, mails in {configured.maildir}/new")
    if made:
        out.print("\nThese keys were made for you and are shown only once:")
        for kind, key in made.items():
            out.print(f"  {kind:<12} {key}")
    if options.demo:
        operator = made.get("operator", "ok_…")
        python = os.path.relpath(sys.executable)
        ask = f"{python} run.py console{_named(options)}"
        out.print("\nTry, in another terminal:")
        out.print(f"  export ECRM_OPERATOR_KEY={operator}")
        out.print(f"  {ask} -c status")
        out.print(f"  {ask} -c 'clock advance 3h'")
    if not made and not configured.keys:
        out.print("The keys are those that the first start on this database has shown.")


# check


def _check(options: argparse.Namespace, configured: Settings) -> int:
    Rules(configured.shop, configured.limits, configured.programmes, configured.thresholds)
    known = Templates(service.TEMPLATES, configured.shop)
    # A switched-off programme keeps its templates: it may come back with one word.
    used = [name for one in programmes.ALL for name in programme.templates_of(one)]
    found = proof.proofread(known, used)
    if options.json:
        print(msgspec.json.encode({"problems": found}).decode())
    else:
        for problem in found:
            print(problem)
    if found:
        print(f"ecrm: {len(found)} problems, named above", file=sys.stderr)
        return 1
    if not options.json:
        names = ", ".join(one.name for one in configured.programmes)
        for note in configured.idle:
            print(f"Note: {note}.")
        print(f"Settings, programmes ({names}) and templates are in order.")
    return 0


# preview


def _preview(options: argparse.Namespace, configured: Settings) -> int:
    known = Templates(service.TEMPLATES, configured.shop)
    page = preview.gallery(known, samples.of_programmes(configured.programmes))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(page, encoding="utf-8")
    print(f"The mails are on one page: {options.out.resolve().as_uri()}")
    if options.open and not webbrowser.open(options.out.resolve().as_uri()):
        print("ecrm: there is no browser to open it in; open that address yourself")
    return 0


# import


def _import_products(options: argparse.Namespace, configured: Settings) -> int:
    lines = imports.count_lines(options.file)
    with _bar("products", lines) as told:
        done = trio.run(_stock, options, configured, told)
    for line, note in done.notes:
        print(f"ecrm: {options.file}:{line}: {note}", file=sys.stderr)
    for line, reason in done.refused:
        print(f"ecrm: {options.file}:{line}: refused: {reason}", file=sys.stderr)
    if options.json:
        rows = [{"line": line, "reason": reason} for line, reason in done.refused]
        answer = {"products": done.products, "refused": rows}
        print(msgspec.json.encode(answer).decode())
    else:
        print(
            f"{done.products:,} products are in the catalogue, {len(done.refused):,} rows refused"
        )
    return 1 if done.refused else 0


async def _stock(
    options: argparse.Namespace, configured: Settings, told: stocking.Progress
) -> stocking.Stocked:
    rows = imports.read_products(options.file)
    if options.key:
        at = configured.gateway
        name = f"import/{_wall_now()}"
        async with connect(f"ws://{at.host}:{at.port}{EVENTS_PATH}", options.key) as client:
            return await stocking.through_service(rows, client, name, told)
    async with _at_rest(configured) as store:
        currency = configured.shop.currency
        return await stocking.into_store(rows, store, currency, _wall_now(), told)


@asynccontextmanager
async def _at_rest(configured: Settings) -> AsyncIterator[SqliteStore]:
    """The store of a service that is not running."""
    configured.database.parent.mkdir(parents=True, exist_ok=True)
    async with (
        open_outside() as outside,
        open_store(configured.database, outside, _wall_now) as store,
    ):
        yield store


# why, clean


def _there_is(database: Path) -> None:
    """Who only reads must not make a database where a name was mistyped."""
    if not database.exists():
        raise Misconfigured(f"there is no database {database}: name another --data or --config")


def _why(options: argparse.Namespace, configured: Settings) -> int:
    _there_is(configured.database)
    rules = Rules(configured.shop, configured.limits, configured.programmes)

    async def ask() -> why.Why:
        async with _at_rest(configured) as store:
            return await why.why(store, rules.programmes, options.mail)

    found = trio.run(ask)
    if options.json:
        print(msgspec.json.encode(found).decode())
        return 0
    out = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    answer = msgspec.to_builtins(found)
    answer["story"] = [{"at": at, "what": what} for at, what in found.story]
    terminal.show(answer, out)
    return 0


def _clean(options: argparse.Namespace, configured: Settings) -> int:
    _there_is(configured.database)

    async def rehearse() -> cleaning.Rehearsal:
        async with _at_rest(configured) as store:
            # A clock that was pushed forward has seen more than the wall's.
            now = max(_wall_now(), await store.last_at() or _wall_now())
            return await cleaning.rehearse(store, now, configured.thresholds)

    found = trio.run(rehearse)
    if options.json:
        print(msgspec.json.encode(found).decode())
        return 0
    out = Console(highlight=False)
    out.print(f"{found.customers:,} customers looked at; nothing was changed.")
    for one in found.definitions:
        out.print(f"\n[bold]{one.name}: {len(one.gone):,}[/] ({one.says})")
        if not one.gone:
            continue
        table = Table()
        for column in ("customer", "tier", "last sign of life"):
            table.add_column(column)
        for gone in one.gone:
            table.add_row(Text(gone.customer), gone.tier, gone.alive or "none")
        out.print(table)
    return 0


@contextmanager
def _bar(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal's stderr; nothing into a pipe."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=total)

        def told(done: int) -> None:
            bar.update(task, completed=done)

        yield told


# replay


def _replay(options: argparse.Namespace, configured: Settings) -> int:
    invoices = retail.read(options.file)
    if not invoices:
        raise Misconfigured(f"{options.file} holds no invoice")
    if options.data is None:
        with tempfile.TemporaryDirectory(prefix="ecrm-replay-") as folder:
            return _replay_in(Path(folder), options, configured, invoices)
    return _replay_in(options.data, options, configured, invoices)


def _replay_in(
    folder: Path,
    options: argparse.Namespace,
    configured: Settings,
    invoices: list[retail.Invoice],
) -> int:
    if (folder / "ecrm.db").exists():
        raise Misconfigured(f"{folder} holds a database already: a replay wants a fresh --data")
    key = settings.Key("replay", "secret", settings.hashed("secret", REPLAY_KEY))
    alone = msgspec.structs.replace(
        configured,
        database=folder / "ecrm.db",
        maildir=folder / "mail",
        gateway=msgspec.structs.replace(configured.gateway, host="127.0.0.1", port=0),
        keys=(key,),
    )
    with _progress(invoices) as told:
        result = trio.run(_replay_through, alone, invoices, told)
    if options.json:
        print(msgspec.json.encode(result).decode())
    else:
        _show(result, options.data)
    return 0


async def _replay_through(
    alone: Settings, invoices: list[retail.Invoice], told: replay.Progress
) -> replay.Result:
    clock = WarpClock(invoices[0].at, rate=0)
    async with trio.open_nursery() as connections:
        async with (
            _open(alone, clock, REPLAY_LINK_KEY) as running,
            trio.open_nursery() as listening,
        ):
            port = await listening.start(_listen, running, connections)
            result = await replay.replay(running, clock, invoices, port, REPLAY_KEY, told)
            listening.cancel_scope.cancel()
        connections.cancel_scope.cancel()
    return result


@contextmanager
def _progress(invoices: list[retail.Invoice]) -> Iterator[replay.Progress]:
    """A bar from the first line to the end of the days after, on a terminal's stderr."""
    first = invoices[0].at
    span = invoices[-1].at + replay.AFTERWARDS - first
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("replay", total=span)

        def told(at: Instant) -> None:
            day = moment.format_instant(at)[:10]
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


# console


def _console(options: argparse.Namespace, configured: Settings) -> int:
    key = options.key or os.environ.get("ECRM_OPERATOR_KEY", "")
    if not key:
        raise Misconfigured(
            "the console wants an operator key: give --key or set ECRM_OPERATOR_KEY; "
            "the first start of the service has shown one"
        )
    try:
        request = terminal.parse(options.command)
    except ValueError as error:
        print(f"ecrm: {error}", file=sys.stderr)
        return 2
    at = configured.gateway
    result = trio.run(terminal.ask, at.host, at.port, key, request)
    if options.json:
        print(msgspec.json.encode(result).decode())
    else:
        # Into a pipe or a file goes what a wide screen would show.
        width = None if sys.stdout.isatty() else 160
        terminal.show(result, Console(highlight=False, width=width))
    return 0


def _wall_now() -> Instant:
    return Instant(time.time_ns() // 1_000_000)


if __name__ == "__main__":
    sys.exit(main())
