"""The server of the pages: Hypercorn in the service's own nursery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import trio
from hypercorn.config import Config
from hypercorn.trio import serve as hypercorn
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from quart_trio import QuartTrio

from actors.settings import WebSection
from ecrm.errors import Misconfigured

# Seconds: for a request to come, for the next on the same connection, for the last to end.
READ_TIMEOUT: Final = 20
KEEP_ALIVE: Final = 5
GRACE: Final = 3
# Longer than a slow telephone takes for a page, for a reader who reads nothing must not hold us.
SEND_TIMEOUT: Final = 10


async def serve(
    app: QuartTrio,
    at: WebSection,
    stopping: Callable[[], Awaitable[None]],
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stopping` returns, then end what is under way. Starts with the address it
    listens on, like `http://127.0.0.1:8080`. Raises `Misconfigured` where it cannot listen there.
    """
    # Hypercorn would leave a socket behind that cannot be bound: it is handed bound ones.
    try:
        listeners = await trio.open_tcp_listeners(at.port, host=at.host)
    except OSError as error:
        raise Misconfigured(
            f"cannot listen on {at.host}:{at.port}: {error.strerror or error}; "
            "set another web.port, or stop what is there"
        ) from None
    port = listeners[0].socket.getsockname()[1]
    config = _config([f"fd://{listener.socket.detach()}" for listener in listeners])
    async with trio.open_nursery() as nursery:
        await nursery.start(_serve, app, config, stopping)
        host = f"[{at.host}]" if ":" in at.host else at.host
        task_status.started(f"http://{host}:{port}")


def _config(bind: list[str]) -> Config:
    config = Config()
    config.bind = bind
    # The application logs what matters, without the tokens that an access log would be full of.
    config.accesslog = config.errorlog = None
    config.include_server_header = False
    config.read_timeout = READ_TIMEOUT
    config.keep_alive_timeout = KEEP_ALIVE
    config.graceful_timeout = GRACE
    return config


class Steady:
    """Lets nothing cut off what an application has begun to send.

    Quart-Trio 0.12 cancels its own request as soon as the answer is out, which is in the middle of
    Hypercorn's ending of it: the connection would stay open until the read times out.
    """

    def __init__(self, app: QuartTrio) -> None:
        self._app = app

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        async def steadily(event: ASGISendEvent) -> None:
            with trio.move_on_after(SEND_TIMEOUT, shield=True):
                await send(event)

        await self._app(scope, receive, steadily)


async def _serve(
    app: QuartTrio,
    config: Config,
    stopping: Callable[[], Awaitable[None]],
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    await hypercorn(Steady(app), config, shutdown_trigger=stopping, task_status=task_status)
