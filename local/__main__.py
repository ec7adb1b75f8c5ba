"""The local cloud that stays up: deploy to it, break what is deployed, and read what people are told."""

import argparse
import contextlib
import fcntl
import getpass
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from local.cloud import STATE, Cloud, CloudError
from local.drills.faults import FAULTS, a_second, mend
from local.drills.live import BEHIND, MESSAGES
from local.drills.operator import Operator
from local.incident_page import Server
from stacks.config import CONFIG, ConfigError, load

FOLDER = STATE / "up"
PORT = 4566  # what AWS emulators listen on by custom
NEXT = """
{name} is up at {endpoint}, until `make local-down`.

  make shell                a shell in which the commands of docs/runbook.md work on this cloud, and on nothing else
  make break FAULT=release  break something: {faults}
  make messages             what people have been told
  make dashboard LOCAL=1    the incident's page of its dashboard, in a browser, with buttons that work
  make mend                 take every fault back

docs/local-cloud.md has a tour of ten minutes.
"""


def up(name: str, config: Path, wanted: str | None) -> None:
    """Start a cloud, or take the one that is up, and deploy an environment of a folder to it.

    One that was started here and failed does not stay.
    """
    environment = load(name, config)
    port = None if wanted is None else port_number(wanted)
    cloud = Cloud.found(FOLDER)
    started = cloud is None
    if cloud is None:
        shutil.rmtree(FOLDER, ignore_errors=True)
        chosen = PORT if port is None else port
        cloud = Cloud.launch(environment, FOLDER, config=config, port=chosen, behind=BEHIND, background=True)
    elif cloud.environment != environment:
        raise CloudError(f"The local cloud is up with {cloud.environment.name} as it was configured: `make local-down` first.")
    elif port not in (None, cloud.port):
        raise CloudError(f"The local cloud is up on port {cloud.port}: leave PORT={port} out, or `make local-down` first.")
    begun = time.monotonic()
    cloud.report = lambda line: print(f"{time.monotonic() - begun:5.0f} s  {line}", flush=True)
    try:
        cloud.deploy()
        cloud.remember()
        cloud.control("begin")
        cloud.detach()
    except BaseException as error:
        if started:
            cloud.stop()
        if started and isinstance(error, KeyboardInterrupt):
            shutil.rmtree(FOLDER, ignore_errors=True)
        raise
    print(NEXT.format(name=environment.name, endpoint=cloud.endpoint, faults=", ".join(FAULTS)))


def down() -> str:
    """Stop the cloud that is up; what was done, in a sentence."""
    cloud = Cloud.found(FOLDER)
    if cloud is not None:
        cloud.stop()
    shutil.rmtree(FOLDER, ignore_errors=True)
    return "The local cloud is stopped." if cloud else "The local cloud is not up."


def shell(cloud: Cloud) -> None:
    """Become the person's own shell, with this cloud for its AWS."""
    print(f"A shell on {cloud.environment.name} at {cloud.endpoint}; `exit` leaves it.", file=sys.stderr, flush=True)
    command = os.environ.get("SHELL") or "/bin/sh"
    os.execvpe(command, [command], cloud.shell_environ)  # noqa: S606 - it is the person's own


def messages(cloud: Cloud) -> str:
    """What people have been told so far."""
    file = cloud.folder / MESSAGES
    said = file.read_text(encoding="utf-8") if file.exists() else ""
    return said.rstrip() or "Nobody has been told anything yet: alarms are judged at the end of each minute."


def show(cloud: Cloud) -> None:
    """Serve the incident's page until the person interrupts."""
    name = re.sub(r"[^\w+=,.@-]", "-", getpass.getuser())  # as a session of a role may be called
    with Server(Operator(cloud, name)) as pages:
        print(f"http://localhost:{pages.server_port} until you interrupt this", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            pages.serve_forever()


def broken(cloud: Cloud, fault: str) -> Iterator[str]:
    """What is broken, a sentence at a time; CloudError for no known fault."""
    if fault not in FAULTS:
        raise CloudError(f"FAULT={fault} is no fault: choose from {', '.join(FAULTS)}.")
    yield from FAULTS[fault](cloud, a_second)
    yield "Alarms see it within 2 to 4 minutes: `make messages` shows what people are told, `make mend` takes it back."


def recorded(cloud: Cloud) -> Iterator[str]:
    """A line for each resource that is only kept, with its type."""
    for kind, resources in cloud.recorded().items():
        for name in resources:
            yield f"{kind}  {name}"


@contextlib.contextmanager
def alone(file: Path) -> Iterator[None]:
    """Keep two commands from starting or stopping the same cloud at once."""
    file.parent.mkdir(exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CloudError("Another command is starting or stopping the local cloud; try again when it has ended.") from None
        yield


def port_number(text: str) -> int:
    """A port to listen on, 0 for one that the system chooses; CloudError when it is none."""
    if not (text.isdecimal() and int(text) < 2**16):
        raise CloudError(f"PORT={text} is no port: give a number from 1 to 65535, such as {PORT}.")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, or 1 after one sentence that says what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="COMMAND")
    starting = actions.add_parser("up", help="deploy an environment to the local cloud and keep it up")
    starting.add_argument("environment")
    starting.add_argument("--config", type=Path, default=CONFIG, metavar="FOLDER", help="whose environments: config by default")
    starting.add_argument("--port", help=f"{PORT} by default")
    actions.add_parser("down", help="stop the local cloud")
    actions.add_parser("shell", help="a shell whose AWS is the local cloud")
    breaking = actions.add_parser(
        "break", help="break something in what is deployed", formatter_class=argparse.RawTextHelpFormatter
    )
    faults = "\n".join(f"{name}: {fault.__doc__}" for name, fault in FAULTS.items())
    breaking.add_argument("fault", metavar="FAULT", help=faults)
    actions.add_parser("mend", help="take every fault back")
    actions.add_parser("messages", help="what people have been told so far")
    actions.add_parser("page", help="serve the incident's page of the dashboard to a browser on this machine")
    actions.add_parser("recorded", help="list the resources that are only kept")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if options.action in {"up", "down"}:
            with alone(STATE / "up.lock"):
                if options.action == "up":
                    up(options.environment, options.config, options.port)
                else:
                    print(down())
        else:
            look(options)
    except (CloudError, ConfigError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def look(options: argparse.Namespace) -> None:
    """A command on the cloud that is up."""
    cloud = Cloud.found(FOLDER)
    if cloud is None:
        raise CloudError("The local cloud is not up: `make local` first.")
    match options.action:
        case "shell":
            shell(cloud)
        case "messages":
            print(messages(cloud))
        case "page":
            show(cloud)
        case "break":
            for line in broken(cloud, options.fault):
                print(line, flush=True)
        case "mend":
            print("\n".join(mend(cloud)))
        case "recorded":
            print("\n".join(recorded(cloud)))


if __name__ == "__main__":
    sys.exit(main())
