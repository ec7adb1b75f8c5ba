"""The server process of the local cloud: ministack on loopback, with what it lacks plugged in.

`python -m local.emulator.server <settings>` serves until SIGTERM, or until its standard input ends. So no server outlives its
owner, unless the control call `detach` allowed it. `settings` is the JSON of `Settings`. Beside AWS's API it answers control
calls, JSON in and out, as `POST /_local/<name>`.
"""

import asyncio
import gc
import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from pydantic import BaseModel, ConfigDict

from stacks.environment import Environment

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Control = Callable[..., Any]

_FILES = 8192


class Settings(BaseModel):
    """The settings of a server. With `port` 0 the system chooses one; it writes its port to `ready_fd` when it serves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: Environment
    port: int
    ready_fd: int
    behind_seconds: float
    """How far behind real time the clock begins."""
    background: bool
    """Schedules run each real minute, and the control call `begin` makes minutes pass (`local.drills.live`)."""
    deployment_seconds: float
    """How long an ECS service deployment takes on the clock."""
    function_environment: dict[str, str]
    """Environment variables that every function gets beside its own."""


def main(settings: Settings) -> None:
    """Serve until the process group ends."""
    signal.signal(signal.SIGTERM, lambda *_: _end())
    detached = threading.Event()
    threading.Thread(target=_end_with_owner, args=(detached,), daemon=True).start()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", settings.port))
    except OSError as error:
        sys.exit(f"port {settings.port} of 127.0.0.1 cannot be used ({error.strerror}): free it, or choose another with PORT")
    listener.listen(256)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < _FILES:  # each connection is kept for a while after its client has closed it
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(_FILES, hard) if hard >= 0 else _FILES, hard))
    port = listener.getsockname()[1]
    os.environ.update(
        GATEWAY_PORT=str(port),
        BIND_HOST="127.0.0.1",
        MINISTACK_HOST="localhost",
        MINISTACK_ACCOUNT_ID=settings.environment.account,
        MINISTACK_REGION=settings.environment.region,
        AUTH="true",
        LAMBDA_EXECUTOR="local",
        LAMBDA_STRICT="0",
        DOCKER_HOST="unix:///nonexistent/docker.sock",  # the same cloud with and without Docker on the machine
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
    )
    asyncio.run(_serve(settings, listener, port, {"process": os.getpid, "detach": detached.set}))


def _end() -> None:
    """End this process and the functions' worker processes, which share its group. There is no state to save."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _end_with_owner(detached: threading.Event) -> None:
    os.read(sys.stdin.fileno(), 1)
    if not detached.is_set():
        _end()


async def _serve(settings: Settings, listener: socket.socket, port: int, own: dict[str, Control]) -> None:
    from ministack import app as ministack  # noqa: PLC0415 - reads its settings from the environment when imported

    from local.emulator import plugins  # noqa: PLC0415 - imports the emulator

    controls = own | plugins.install(settings, port)
    gc.freeze()  # what is imported by now stays: the garbage collector need not look through it again and again
    gc.set_threshold(20_000, 20, 20)

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path.startswith("/_local/"):
            await _control(controls, path.removeprefix("/_local/"), receive, send)
        else:
            await ministack.app(scope, receive, send)

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_timeout = 75
    with os.fdopen(settings.ready_fd, "w") as ready:
        ready.write(str(port))
    await serve(application, config)  # type: ignore[arg-type]


async def _control(controls: dict[str, Control], name: str, receive: Receive, send: Send) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    status, answer = 404, {"error": f"no control call {name}: there are {', '.join(controls)}"}
    if name in controls:
        try:
            status, answer = 200, await asyncio.to_thread(controls[name], *json.loads(body))
        except (TypeError, ValueError) as error:
            status, answer = 400, {"error": str(error)}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


if __name__ == "__main__":
    main(Settings.model_validate_json(sys.argv[1]))
