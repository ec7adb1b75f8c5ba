"""`python -m local up NAME` deploys an environment to a local cloud and keeps it up; `python -m local down` stops it.

`python -m local recorded` lists what the running cloud only keeps and does not emulate.
"""

import argparse
import contextlib
import fcntl
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from local.cloud import STATE, Cloud, CloudError
from stacks.config import CONFIG, ConfigError, load
from stacks.environment import Environment

FOLDER = STATE / "up"
PORT = 4566  # what AWS emulators listen on by custom


def up(name: str, config: Path, port: int) -> None:
    """Start a cloud, or take the one that is up, and deploy an environment of a folder to it.

    One that was started here and failed does not stay.
    """
    environment = load(name, config)
    cloud = find()
    started = cloud is None
    if cloud is None:
        shutil.rmtree(FOLDER, ignore_errors=True)
        cloud = Cloud.launch(environment, FOLDER, config=config, port=port, background=True)
    elif cloud.environment != environment:
        raise CloudError(f"The local cloud is up with {cloud.environment.name} as it was configured: `make local-down` first.")
    begun = time.monotonic()
    cloud.report = lambda line: print(f"{time.monotonic() - begun:5.0f} s  {line}", flush=True)
    try:
        cloud.deploy()
        state = {
            "environment": environment.model_dump(mode="json"),
            "config": str(cloud.config),
            "port": cloud.port,
            "process_group": cloud.process_group,
        }
        (FOLDER / "server.json").write_text(json.dumps(state))
        cloud.detach()
    except BaseException:
        if started:
            cloud.stop()
        raise
    print(f"\n{environment.name} is up at {cloud.endpoint}, until `make local-down`. In a shell in this folder:\n")
    for command in commands(cloud):
        print(f"  {command}")


def commands(cloud: Cloud) -> list[str]:
    """What to type into a shell to look around, most of it from the runbook."""
    environment = cloud.environment
    variables = " ".join(f"{name}={value}" for name, value in cloud.variables.items())
    return [
        f"export {variables} PATH=$PWD/.venv/bin:$PATH",
        f"aws ecs describe-services --cluster {environment.cluster} --services {environment.service} "
        "--query 'services[0].{status:status,running:runningCount,desired:desiredCount}'",
        f"aws ecs list-service-deployments --cluster {environment.cluster} --service {environment.service}",
        f"aws cloudwatch describe-alarms --alarm-name-prefix {environment.prefix} "
        "--query 'MetricAlarms[].[AlarmName,StateValue]' --output text",
        f"aws cloudwatch get-dashboard --dashboard-name {environment.dashboard}",
        # The AWS CLI's first version looks for RDS elsewhere, whatever AWS_ENDPOINT_URL says.
        'aws --endpoint-url "$AWS_ENDPOINT_URL" rds describe-db-instances '
        f"--db-instance-identifier {environment.database_instance}",
    ]


def down() -> str:
    """Stop the cloud that is up; what was done, in a sentence."""
    cloud = find()
    if cloud is not None:
        cloud.stop()
    shutil.rmtree(FOLDER, ignore_errors=True)
    return "The local cloud is stopped." if cloud else "The local cloud is not up."


def recorded() -> Iterator[str]:
    """A line for each resource that is only kept, with its type."""
    cloud = find()
    if cloud is None:
        raise CloudError("The local cloud is not up: `make local` first.")
    for kind, resources in cloud.recorded().items():
        for name in resources:
            yield f"{kind}  {name}"


def find() -> Cloud | None:
    """The cloud that an earlier `up` left running."""
    try:
        state = json.loads((FOLDER / "server.json").read_text())
        environment = Environment.model_validate_json(json.dumps(state["environment"]))
    except (OSError, ValueError, KeyError):
        return None
    return Cloud.running(environment, FOLDER, state["port"], state["process_group"], config=Path(state["config"]))


@contextlib.contextmanager
def alone(file: Path) -> Iterator[None]:
    """Keep two commands from working on the same cloud at once."""
    file.parent.mkdir(exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CloudError("Another command is starting or stopping the local cloud; try again when it has ended.") from None
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, or 1 after one sentence that says what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    starting = actions.add_parser("up", help="deploy an environment to the local cloud and keep it up")
    starting.add_argument("environment")
    starting.add_argument("--config", type=Path, default=CONFIG, metavar="FOLDER", help="whose environments: config by default")
    starting.add_argument("--port", type=int, default=PORT)
    actions.add_parser("down", help="stop the local cloud")
    actions.add_parser("recorded", help="list the resources that are only kept")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with alone(STATE / "up.lock"):
            match options.action:
                case "up":
                    up(options.environment, options.config, options.port)
                case "down":
                    print(down())
                case "recorded":
                    print("\n".join(recorded()))
    except (CloudError, ConfigError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
