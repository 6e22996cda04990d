"""`serve`: the service, until it is told to stop."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from functools import partial
from typing import Final

import structlog
import trio
from rich.console import Console

from actors import keys, lmtp, settings
from actors.clock import Clock, WallClock, WarpClock
from actors.commands import Words
from actors.commands.opening import listen, open_service
from actors.commands.resting import wall_now
from actors.service import Service
from actors.settings import Settings
from actors.web import server
from actors.web.demo import opening as demo

log = structlog.get_logger()

# Objects of each generation, by which the next is looked at (style §4.7).
COLLECTED: Final = (5_000, 10, 20)


def add(commands: Words, shared: argparse.ArgumentParser) -> None:
    serve = commands.add_parser("serve", parents=[shared])
    serve.add_argument("--warp", action="store_true", help="a clock that can be pushed forward")
    serve.add_argument(
        "--demo", action="store_true", help="a shop to try it out, under /demo/, and --warp"
    )
    serve.set_defaults(run=run)


def run(options: argparse.Namespace, configured: Settings) -> int:
    clock = WarpClock(wall_now()) if options.warp or options.demo else WallClock()
    if options.demo:
        configured = demo.furnished(configured)
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
            open_service(configured, clock) as running,
            trio.open_nursery() as listening,
            trio.open_nursery() as pages,
        ):
            connections.start_soon(running.pulse.beat)
            port = await listening.start(listen, running, connections)
            back, takes = configured.doors.lmtp_port, running.returns
            if back:
                await listening.start(lmtp.listen, back, takes.knows, takes.take)
            if options.demo and isinstance(clock, WarpClock):
                await demo.open_shop(running, clock, port)
            web = await pages.start(server.serve, running.web.app, configured.web, stopping.wait)
            # They are shown only once: not before it is certain that they will be.
            made = await _first_keys(running)
            _announce(configured, port, web, made, options)
            collect_seldom()
            await stopping.wait()
            # No new sockets from here; leaving the service tells goodbye to those who are there.
            listening.cancel_scope.cancel()
        connections.cancel_scope.cancel()
    log.info("stopped")


def collect_seldom() -> None:
    """Have the collector stop the loop less often; once, when everything is there."""
    # What is there by now stays, and need not be looked at again. A look at all that came since
    # stops everything, a quarter of a second with two thousand connections: it is taken every
    # million objects.
    gc.freeze()
    gc.set_threshold(*COLLECTED)


async def _first_keys(running: Service) -> dict[settings.KeyKind, str]:
    """On the very first start there are no keys, or not of every kind: make them."""
    made = await keys.make_missing(running.store, running.settings.keys, running.clock.now())
    running.keyring.add(await keys.stored(running.store))
    return made


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
    out.print("[bold]ecrm is ready.[/]")
    if options.demo:
        out.print(f"\n  Open [bold]{web}/demo/[/], a shop to try it out.\n")
        out.print(
            "[bold]--demo is for trying out:[/] whoever reaches this port may push the clock."
        )
    out.print(f"Events at {url}/v1/events, console at {url}/v1/console")
    out.print(f"Pages behind the links of mails at {web}, web console at {web}/console/")
    out.print(f"Database {configured.database}, mails in {configured.maildir}/new")
    if configured.doors.lmtp_port:
        out.print(f"What comes back is taken by LMTP on 127.0.0.1:{configured.doors.lmtp_port}")
    if made:
        out.print("\nThese keys were made for you and are shown only once:")
        for kind, key in made.items():
            out.print(f"  {kind:<12} {key}")
    if options.demo:
        operator = made.get("operator", "ok_…")
        python = os.path.relpath(sys.executable)
        out.print("\nOr from another terminal:")
        out.print(f"  export ECRM_OPERATOR_KEY={operator}")
        out.print(f"  {python} run.py console{_named(options)} -c 'clock advance 3h'")
    if not made and not configured.keys:
        out.print("The keys are those that the first start on this database has shown.")
