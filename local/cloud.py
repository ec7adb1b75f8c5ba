"""The local cloud as a handle: start it, deploy to it with the real CDK CLI, move its clock, look into it, stop it."""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from local.emulator.server import Settings
from stacks.config import CONFIG
from stacks.environment import Environment

ROOT = Path(__file__).parent.parent
STATE = ROOT / ".local"
"""All that the local cloud writes: logs, assemblies, what functions unpack, the compiled CLI. Ignored by git."""

_SOURCES = ("app.py", "cdk.json", "runbook", "procedures", "stacks", "lambdas", "requirements.txt", "package-lock.json")
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}  # the account's root to the emulator
# The CLI asks CloudFormation every 5 s how a stack is; locally the answer is there in a fraction of that.
_FAST_POLLS = "data:text/javascript,const/**/t=setTimeout;globalThis.setTimeout=(f,ms,...a)=>t(f,ms===5000?100:ms,...a)"

Report = Callable[[str], None]


class CloudError(Exception):
    """The local cloud could not do what it was asked; the message is one clear sentence."""


@dataclass(frozen=True)
class Call:
    """One AWS call of a principal: when on the clock, service and action by IAM's names, on what, whether IAM allowed it."""

    time: datetime
    service: str
    action: str
    resource: str
    allowed: bool


def _silent(_: str) -> None:
    """Reports progress to nobody."""


class Cloud:
    """A running local cloud. Use `start` as a context manager, or `running` for the one that `make local` keeps up."""

    def __init__(
        self,
        environment: Environment,
        folder: Path,
        port: int,
        process_group: int,
        *,
        config: Path = CONFIG,
        report: Report = _silent,
    ) -> None:
        self.environment = environment
        self.config = config
        self.folder = folder
        self.port = port
        self.process_group = process_group
        self.report = report

    # Life

    @classmethod
    @contextlib.contextmanager
    def start(
        cls,
        environment: Environment,
        *,
        config: Path = CONFIG,
        function_environment: Mapping[str, str] | None = None,
        deployment_seconds: float = 90,
        report: Report = _silent,
    ) -> Iterator[Self]:
        """A cloud of its own for as long as the context lasts, on a port the system chooses, with nothing deployed.

        `config` is the folder that the environment was loaded from, which `deploy` synthesizes. `function_environment` is added
        to the environment variables of every function, such as HTTPS_PROXY and SSL_CERT_FILE for what they call outside AWS. An
        ECS service deployment takes `deployment_seconds` on the clock.
        CloudError says why the server could not start. No process is left, however the context ends.
        """
        STATE.mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{environment.name}-", dir=STATE))
        try:
            cloud = cls.launch(
                environment,
                folder,
                config=config,
                function_environment=function_environment,
                deployment_seconds=deployment_seconds,
            )
            cloud.report = report
            try:
                yield cloud
            finally:
                cloud.stop()
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        except BaseException:
            shutil.rmtree(folder / "tmp", ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.rmdir()  # unless there are logs, to see what went wrong
            raise
        shutil.rmtree(folder, ignore_errors=True)

    @classmethod
    def launch(
        cls,
        environment: Environment,
        folder: Path,
        *,
        config: Path = CONFIG,
        port: int = 0,
        behind: timedelta = timedelta(),
        background: bool = False,
        function_environment: Mapping[str, str] | None = None,
        deployment_seconds: float = 90,
    ) -> Self:
        """Start the server process. The caller stops it; it ends with this process too, until `detach` lets it live on.

        Its clock begins `behind` real time.
        """
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        ready, write = os.pipe()
        settings = Settings(
            environment=environment,
            port=port,
            ready_fd=write,
            behind_seconds=behind.total_seconds(),
            background=background,
            deployment_seconds=deployment_seconds,
            function_environment=dict(function_environment or {}),
        )
        log = folder / "server.log"
        with log.open("ab") as output:
            server = subprocess.Popen(
                [sys.executable, "-m", "local.emulator.server", settings.model_dump_json()],
                cwd=ROOT,
                env={  # nothing else of this process: functions see their server's variables
                    **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
                    "TMPDIR": str(folder / "tmp"),
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                stdin=subprocess.PIPE,  # its end is the sign that this process is gone
                stdout=output,
                stderr=output,
                pass_fds=(write,),
                start_new_session=True,
            )
        os.close(write)
        cloud = cls(environment, folder, port, server.pid, config=config)
        cloud._server = server
        try:
            cloud.port = _port(ready, log)
        except BaseException:
            cloud.stop()
            raise
        return cloud

    _server: subprocess.Popen[bytes] | None = None

    @classmethod
    def running(
        cls, environment: Environment, folder: Path, port: int, process_group: int, *, config: Path = CONFIG
    ) -> Self | None:
        """The cloud that an earlier process launched in a folder, if it still runs."""
        cloud = cls(environment, folder, port, process_group, config=config)
        try:
            return cloud if cloud.control("process") == process_group else None
        except CloudError:
            return None

    def remember(self) -> None:
        """Write into the folder what `found` needs."""
        state = {
            "environment": self.environment.model_dump(mode="json"),
            "config": str(self.config),
            "port": self.port,
            "process_group": self.process_group,
        }
        (self.folder / "server.json").write_text(json.dumps(state))

    @classmethod
    def found(cls, folder: Path) -> Self | None:
        """The cloud that is remembered in a folder, if it still runs."""
        try:
            state = json.loads((folder / "server.json").read_text())
            environment = Environment.model_validate_json(json.dumps(state["environment"]))
        except (OSError, ValueError, KeyError):
            return None
        return cls.running(environment, folder, state["port"], state["process_group"], config=Path(state["config"]))

    def stop(self) -> None:
        """End the server and the functions' processes, and wait until they are gone; nothing to do when they are."""
        if self._server is not None and self._server.stdin is not None:
            _kill_group(self.process_group)
            self._server.wait()
            self._server.stdin.close()
        else:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                _kill_group(self.process_group)
                connection.recv(1)  # ends when the server, which holds the other end, does
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.process_group, 0)
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)

    def detach(self) -> None:
        """Let the server outlive this process."""
        self.control("detach")
        if self._server is not None and self._server.stdin is not None:
            self._server.stdin.close()
        self._server = None

    # Access

    @property
    def endpoint(self) -> str:
        return f"http://localhost:{self.port}"  # by name: the CLI cannot parse template URLs on 127.0.0.1

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that point an AWS tool at this cloud."""
        # By the region's older name, which every tool knows; the AWS CLI's first version knows no other.
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_DEFAULT_REGION": self.environment.region, **_CREDENTIALS}

    @property
    def environ(self) -> dict[str, str]:
        """A whole environment for subprocesses such as `aws` and `cdk`: this process's, pointed at this cloud only."""
        return {
            **_nowhere(),
            **self.variables,
            "AWS_REGION": self.environment.region,
            "AWS_PAGER": "",
            "CDK_HOME": str(self.folder / "tmp" / "cdk"),  # the CLI remembers there which account a key is of
        }

    @property
    def shell_environ(self) -> dict[str, str]:
        """`environ` for a person's shell: every `aws` command goes to this cloud, and HTTPS to the stand-in application.

        No request leaves the machine: the application is the proxy to every other host, and refuses all but its own.
        """
        commands = self.folder / "tmp" / "bin"
        commands.mkdir(exist_ok=True)
        aws = commands / "aws"
        # AWS CLI 1 looks for RDS, SQS and a few others at AWS's own hosts, whatever AWS_ENDPOINT_URL says.
        aws.write_text(f'#!/bin/sh\nexec "{Path(sys.executable).with_name("aws")}" --endpoint-url "$AWS_ENDPOINT_URL" "$@"\n')
        aws.chmod(0o755)
        application = self.application_environment
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), application["HTTPS_PROXY"])
        proxies["NO_PROXY"] = "localhost,127.0.0.1"
        return {
            **self.environ,
            **proxies,
            **{name.lower(): value for name, value in proxies.items()},
            "SSL_CERT_FILE": application["SSL_CERT_FILE"],
            "CURL_CA_BUNDLE": application["SSL_CERT_FILE"],
            "PATH": os.pathsep.join((str(commands), self.environ["PATH"])),
        }

    def client(self, service: str, keys: Mapping[str, str] | None = None) -> Any:
        """A boto3 client of this cloud, as the account's administrator, or with the keys of a session."""
        session = {"aws_session_token": keys["SessionToken"]} if keys else {}
        return _session().client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name=self.environment.region,
            aws_access_key_id=keys["AccessKeyId"] if keys else _CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["SecretAccessKey"] if keys else _CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            **session,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def control(self, name: str, *arguments: Any) -> Any:
        """A control call of the server; CloudError when it does not answer or refuses."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", f"/_local/{name}", json.dumps(arguments))
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            raise CloudError(f"The local cloud at {self.endpoint} does not answer ({error}).") from None
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise CloudError(f"The local cloud refused {name}: {answer['error']}")
        return answer

    # The clock

    def now(self) -> datetime:
        """The cloud's clock, in UTC."""
        return datetime.fromtimestamp(self.control("now"), UTC)

    def advance(self, by: timedelta) -> datetime:
        """Move the clock on; deployments and schedules that come due happen. The new time."""
        return datetime.fromtimestamp(self.control("advance", by.total_seconds()), UTC)

    # What is in it

    @property
    def repository_uri(self) -> str:
        """The backend's image repository, without a tag."""
        environment = self.environment
        return f"{environment.account}.dkr.ecr.{environment.region}.amazonaws.com/{environment.repository}"

    @property
    def application_environment(self) -> dict[str, str]:
        """The environment variables with which a Python process reaches the application that the service runs."""
        return dict(self.control("application"))

    def fail_requests_of(self, image: str) -> None:
        """From now on tasks of an image answer 500 to everything but their health check."""
        self.control("fail_requests_of", image)

    def fail_tasks_of(self, image: str) -> None:
        """From now on tasks of an image, or of a task definition by its ARN, do not start."""
        self.control("fail_tasks_of", image)

    def fill_cache(self) -> None:
        """From now on the cache has no memory left, and the application answers 500 to everything but its health check."""
        self.control("fill_cache")

    @property
    def cache_is_full(self) -> bool:
        return bool(self.control("cache_is_full"))

    def leak_connections(self, each: int) -> None:
        """Each task of the service that runs holds so many connections to the database from now on, until it stops. While the
        database has none left, the application answers 500 to everything but its health check."""
        self.control("leak_connections", each)

    @property
    def connections(self) -> int:
        """How many connections to the database there are."""
        return int(self.control("connections"))

    def mend_application(self) -> None:
        """Take back `fail_requests_of`, `fill_cache` and `leak_connections`."""
        self.control("mend_application")

    def fail_creation_of(self, stack: str) -> None:
        """The next creation of a stack fails once all of its resources are made, and is rolled back."""
        self.control("fail_creation_of", stack)

    def calls(self, name: str) -> list[Call]:
        """The AWS calls of a function (such as `rollback`) or of a role, oldest first."""
        found = self.control("calls", self.environment.function(name)) or self.control("calls", name)
        return [
            Call(datetime.fromtimestamp(one["time"], UTC), service, action, one["resource"], one["allowed"])
            for one in found
            for service, _, action in [one["action"].partition(":")]
        ]

    def logs(self, name: str) -> list[str]:
        """The log lines of a function (such as `rollback`), oldest first."""
        return list(self.control("logs", self.environment.function(name)))

    def wait_until_idle(self, seconds: float = 30) -> None:
        """Wait until no function runs that was invoked asynchronously, as by an alarm, and every automation has ended or waits
        for time or people; CloudError when one still runs.
        """
        if not self.control("idle", seconds):
            raise CloudError(f"A function or an automation still runs after {seconds:g} s.")

    def break_step(self, document: str, step: str, kind: str, when: str = "before", times: int = 1) -> None:
        """The next calls of a document's step `fail`, `time out`, or `interrupt` it (a person cancels), before or after their
        effect.
        """
        self.control("break_step", document, step, kind, when, times)

    def recorded(self) -> dict[str, dict[str, Any]]:
        """The resources that are kept but do nothing: their properties by CloudFormation type and physical id."""
        return dict(self.control("recorded"))

    # Deployment

    def deploy(self, *stacks: str) -> None:
        """Deploy every stack of the environment with the CDK CLI, as into an empty account; again, it is an update. Given
        `stacks`, only these and what they depend on.

        CloudError says which step failed and where its log is.
        """
        assembly = synthesize(self.config, self.report)
        self._make_what_people_make()
        if not self._exists("cloudformation", "describe_stacks", StackName="CDKToolkit"):
            self.report("bootstrapping the account")
            self.cdk("bootstrap", *_targets(assembly / f"assembly-{self.environment.name}"))
        name = self.environment.name
        if not self._exists("ssm", "get_parameter", Name=self.environment.image_parameter):
            self.report("deploying the registry, and naming a first image")
            self.cdk("deploy", f"{name}/registry", *_DEPLOY, app=assembly)
            image = f"{self.repository_uri}:first"
            self.client("ssm").put_parameter(Name=self.environment.image_parameter, Value=image, Type="String")
        self.report("deploying " + (", ".join(stacks) or "every stack"))
        self.cdk("deploy", *(f"{name}/{stack}" for stack in stacks or "*"), *_DEPLOY, app=assembly)

    def _make_what_people_make(self) -> None:
        """What has to be there before a first deployment: the hosted zone, and the secrets and the event source that the
        configuration names."""
        environment = self.environment
        if environment.domain.hosted_zone_id:
            self.control("hosted_zone", environment.domain.hosted_zone_id, environment.domain.zone)
        secrets = {environment.contacts.pagerduty_url_secret: "https://events.pagerduty.com/integration/local/enqueue"}
        secrets[environment.contacts.heartbeat_url_secret] = "https://127.0.0.1:1/heartbeat"  # nobody listens
        if environment.sentry:
            secrets[environment.sentry.token_secret] = "local"
        if source := environment.contacts.pagerduty_event_source:
            self._associate(source)
        for name, value in secrets.items():
            if name and not self._exists("secretsmanager", "describe_secret", SecretId=name):
                self.client("secretsmanager").create_secret(Name=name, SecretString=value)

    def _associate(self, source: str) -> None:
        """A partner's event source, with its event bus."""
        events = self.client("events")
        if source not in {bus["Name"] for bus in events.list_event_buses()["EventBuses"]}:
            events.create_partner_event_source(Name=source, Account=self.environment.account)
            events.create_event_bus(Name=source, EventSourceName=source)

    def cdk(self, *arguments: str, app: Path | None = None) -> None:
        """Run the CDK CLI against this cloud, its output in `cdk.log`; CloudError when it fails."""
        arguments += ("--app", str(app)) if app else ()
        # Away from cdk.json: the CLI would synthesize what it finds there, even to bootstrap.
        try:
            _run_cdk(arguments, self.environ, self.folder, self.folder / "cdk.log", self.report)
        except CloudError:
            self.control("now")  # says so when it is the server that is gone
            raise

    def _exists(self, service: str, operation: str, **arguments: str) -> bool:
        try:
            getattr(self.client(service), operation)(**arguments)
        except ClientError:
            return False
        return True


_DEPLOY = ("--require-approval", "never", "--concurrency", "8", "--progress", "events", "--method", "direct")


@cache
def _session() -> boto3.Session:
    """A session for clients of local clouds, without the profile that AWS_PROFILE may name."""
    return boto3.Session(botocore_session=botocore.session.Session({"profile": (None, [], None, None)}))


def synthesize(config: Path = CONFIG, report: Report = _silent) -> Path:
    """The cloud assembly of every environment of a folder from the sources as they are; synthesized when one has changed.

    CloudError says that synthesis failed and where its log is.
    """
    assemblies = STATE / "assemblies"
    assemblies.mkdir(parents=True, exist_ok=True)
    digest = _digest(config)
    with (STATE / f"assembly-{digest[0]}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes ask at the same time; one synthesizes
        assembly = assemblies / digest
        if not assembly.exists():
            report("synthesizing")
            log = STATE / f"synth-{digest}.log"
            with tempfile.TemporaryDirectory(dir=assemblies, ignore_cleanup_errors=True) as folder:
                output = Path(folder) / "assembly"
                arguments = ["synth", "--quiet", "--context", f"config={config.resolve()}", "--output", str(output)]
                try:
                    _run_cdk(arguments, _nowhere(), ROOT, log, report)
                except KeyboardInterrupt:
                    log.unlink()
                    raise
                output.rename(assembly)
            log.unlink()
            for old in sorted(assemblies.iterdir(), key=lambda path: path.stat().st_mtime)[:-6]:
                shutil.rmtree(old)  # but for the newest, which another process may be deploying
    return assembly


def _digest(config: Path) -> str:
    """Of everything that an assembly is made from, wherever the configuration is."""
    found = hashlib.sha256()
    for source in (*_SOURCES, "config"):
        folder = config if source == "config" else ROOT / source
        for path in sorted((folder, *folder.rglob("*"))):
            if path.is_file() and path.suffix != ".pyc":
                found.update(b"%s/%s\0%s\0" % (source.encode(), str(path.relative_to(folder)).encode(), path.read_bytes()))
    return found.hexdigest()[:16]


def _targets(stage: Path) -> list[str]:
    """The accounts and regions that a stage is deployed to, as `cdk bootstrap` takes them."""
    artifacts = json.loads((stage / "manifest.json").read_text())["artifacts"].values()
    return sorted({artifact["environment"] for artifact in artifacts if artifact["type"] == "aws:cloudformation:stack"})


def _nowhere() -> dict[str, str]:
    """This process's environment with this project's tools first on the path, and with no AWS account in it."""
    return {
        **{name: value for name, value in os.environ.items() if not _is_of_another_place(name)},
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PATH": os.pathsep.join((str(ROOT / "node_modules/.bin"), str(Path(sys.executable).parent), os.environ["PATH"])),
    }


def _is_of_another_place(name: str) -> bool:
    """Whether an environment variable says where AWS, its account or the way out of this machine is, or is make's."""
    return name.upper().startswith(("AWS_", "CDK", "MAKE")) or name.upper().endswith("_PROXY")


def _run_cdk(arguments: Sequence[str], environ: Mapping[str, str], folder: Path, log: Path, report: Report) -> None:
    """Run the CLI in a process group of its own, so that an interrupt leaves none of its children."""
    variables = {
        **environ,
        "CDK_DISABLE_CLI_TELEMETRY": "1",
        "CI": "true",
        "NODE_COMPILE_CACHE": str(STATE / "node"),  # compiled once: a third of the CLI's start
        "NODE_OPTIONS": f"--import={_FAST_POLLS}",
    }
    with log.open("a") as output, group(["cdk", *arguments, "--no-notices", "--no-color"], folder, variables) as process:
        for line in process.stdout or ():
            output.write(line)
            output.flush()
            if "✅" in line:
                report(line.strip())
        status = process.wait()
    if status:
        raise CloudError(f"cdk {' '.join(arguments[:2])} failed: {_last_error(log)} (see {_shown(log)}).")


def _port(ready: int, log: Path) -> int:
    """The port that a starting server writes to the pipe when it serves."""
    with os.fdopen(ready) as answer:
        if not select.select([answer], [], [], 60)[0]:
            raise CloudError(f"The local cloud did not answer within 60 s, see {_shown(log)}.")
        port = answer.read()
    if not port:
        raise CloudError(f"The local cloud did not start: {_last_line(log)} (see {_shown(log)}).")
    return int(port)


@contextlib.contextmanager
def group(
    command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None, output: int | None = subprocess.PIPE
) -> Iterator["subprocess.Popen[str]"]:
    """A command in a process group of its own, which ends with the context; its output and errors are one.

    An interrupt waits until the group can be ended: a process that has begun to start is not left behind.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output and subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                yield process
            finally:
                _kill_group(process.pid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _last_line(log: Path) -> str:
    return next((line for line in reversed(log.read_text().splitlines()) if line.strip()), "it said nothing").strip()


def _last_error(log: Path) -> str:
    lines = [line.strip() for line in log.read_text().splitlines() if line.strip() and "Subprocess exited" not in line]
    return next(
        (line for line in reversed(lines) if "❌" in line or "rror:" in line), lines[-1] if lines else "it said nothing"
    )


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
