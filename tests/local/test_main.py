"""`python -m local up NAME` keeps a cloud until `python -m local down`; the other commands work on it."""

import gc
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import local.__main__ as command_line
from local.cloud import ROOT, Cloud, CloudError
from local.drills.inbox import Message
from local.drills.live import MESSAGES, written
from tests.environments import CONFIG, PRODUCTION
from tests.local.processes import gone


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # which is what `up` is for
class TestCommands:
    """`python -m local up` and `down`, with the deployment left out."""

    @pytest.fixture(autouse=True)
    def _apart(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setattr(command_line, "FOLDER", tmp_path / "up")
        monkeypatch.setattr(command_line, "STATE", tmp_path)
        monkeypatch.setattr(Cloud, "deploy", lambda _: None)
        yield
        command_line.down()

    def run(self, *arguments: str) -> int:
        handler = signal.getsignal(signal.SIGTERM)
        try:
            return command_line.main(arguments)
        finally:
            signal.signal(signal.SIGTERM, handler)

    def up(self, name: str) -> int:
        return self.run("up", name, "--config", str(CONFIG), "--port", "0")

    def found(self) -> Cloud | None:
        return Cloud.found(command_line.FOLDER)

    def test_up_keeps_a_cloud_until_down(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.up("production") == 0
        gc.collect()  # whatever could have kept the server's standard input open in this process
        cloud = self.found()
        assert cloud is not None
        assert (cloud.environment, cloud.config) == (PRODUCTION, CONFIG)
        assert f"production is up at {cloud.endpoint}" in capsys.readouterr().out
        assert self.run("down") == 0
        assert gone(cloud.process_group)
        assert self.found() is None

    def test_up_again_deploys_to_the_same_cloud(self) -> None:
        self.up("production")
        first = self.found()
        self.up("production")
        again = self.found()
        assert first is not None
        assert again is not None
        assert again.process_group == first.process_group

    def test_another_environment_is_refused_while_one_is_up(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.up("production")
        capsys.readouterr()
        assert self.up("staging") == 1
        assert capsys.readouterr().err == (
            "The local cloud is up with production as it was configured: `make local-down` first.\n"
        )

    def test_a_failed_deployment_leaves_no_server(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        started: list[Cloud] = []

        def fail(cloud: Cloud) -> None:
            started.append(cloud)
            raise CloudError("cdk deploy failed.")

        monkeypatch.setattr(Cloud, "deploy", fail)
        assert self.up("production") == 1
        assert capsys.readouterr().err == "cdk deploy failed.\n"
        assert gone(started[0].process_group)

    def test_an_environment_that_has_no_file_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.up("qa") == 1
        assert capsys.readouterr().err == "config/qa.toml: no such environment: there are production, staging\n"

    def test_down_without_a_cloud_says_so(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run("down") == 0
        assert capsys.readouterr().out == "The local cloud is not up.\n"

    @pytest.mark.parametrize("port", ["99999", "-3", "no", "", "1.5"])
    def test_what_is_no_port_is_refused(self, port: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run("up", "production", "--config", str(CONFIG), f"--port={port}") == 1
        assert capsys.readouterr().err == f"PORT={port} is no port: give a number from 1 to 65535, such as 4566.\n"

    def test_a_port_in_use_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            assert self.run("up", "production", "--config", str(CONFIG), f"--port={port}") == 1
        said = capsys.readouterr().err
        assert re.match(rf"The local cloud did not start: port {port} .* free it, or choose another with PORT", said)
        assert said.count("\n") == 1

    def test_another_port_is_refused_while_a_cloud_is_up(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.up("production")
        cloud = self.found()
        assert cloud is not None
        capsys.readouterr()
        assert self.run("up", "production", "--config", str(CONFIG), "--port", "4570") == 1
        assert capsys.readouterr().err == (
            f"The local cloud is up on port {cloud.port}: leave PORT=4570 out, or `make local-down` first.\n"
        )

    @pytest.mark.parametrize(
        "command", [["shell"], ["messages"], ["page"], ["break", "database"], ["mend"], ["recorded"]], ids=lambda it: it[0]
    )
    def test_without_a_cloud_there_is_nothing_to_look_at(self, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run(*command) == 1
        assert capsys.readouterr().err == "The local cloud is not up: `make local` first.\n"

    @pytest.mark.parametrize("fault", ["", "earthquake"])
    def test_an_unknown_fault_is_refused_by_name(self, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.up("production")
        capsys.readouterr()
        assert self.run("break", fault) == 1
        assert capsys.readouterr().err == f"FAULT={fault} is no fault: choose from release, database, cache, connections.\n"

    def test_messages_are_what_people_were_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.up("production")
        cloud = self.found()
        assert cloud is not None
        capsys.readouterr()
        assert self.run("messages") == 0
        assert capsys.readouterr().out.startswith("Nobody has been told anything yet")
        told = [Message("p1", "ALARM: P1 production: Down", "The text\nof it"), Message("p4", "OK: P4", "Handled")]
        (cloud.folder / MESSAGES).write_text(written(told, datetime(2026, 1, 31, 12, 30, tzinfo=UTC)))
        assert self.run("messages") == 0
        assert (
            capsys.readouterr().out
            == """\
2026-01-31 12:30 UTC  on p1, and a phone rings
ALARM: P1 production: Down

    The text
    of it

2026-01-31 12:30 UTC  on p4
OK: P4

    Handled
"""
        )


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.main(["--help"])
    said = capsys.readouterr().out
    assert all(
        f"    {command} " in said for command in ("up", "down", "shell", "page", "break", "mend", "messages", "recorded")
    )


class TestShell:
    """A shell as `make shell` gives one, whose input is typed here. The runbook's commands are typed into its like elsewhere."""

    @pytest.fixture
    def typed(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
        cloud.remember()
        monkeypatch.setenv("SHELL", "/bin/bash")
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_RDS", "HTTPS_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        code = "import sys; from pathlib import Path; import local.__main__ as m; m.FOLDER = Path(sys.argv.pop()); m.main(['shell'])"

        def run(text: str) -> str:
            command = [sys.executable, "-c", code, str(cloud.folder)]
            return subprocess.run(
                command, input=text, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ).stdout

        yield run
        (cloud.folder / "server.json").unlink()

    @pytest.mark.parametrize(
        ("command", "shows"),
        [
            ("aws rds describe-db-instances --query 'DBInstances[].DBInstanceIdentifier'", PRODUCTION.database_instance),
            ("aws ecs list-clusters", PRODUCTION.cluster),
            ("aws sqs list-queues --query 'length(QueueUrls || `[]`) >= `0`'", "true"),
            (f"aws s3 ls s3://{PRODUCTION.frontend_bucket}-backups && echo listed", "listed"),
            ("curl -s https://api.hz-navigator.com/api/v1/health", '"healthy"'),
        ],
    )
    def test_commands_work_as_printed(self, command: str, shows: str, typed: Callable[[str], str]) -> None:
        assert shows in typed(command)

    @pytest.mark.parametrize(
        "command",
        [
            "aws --endpoint-url https://rds.us-east-1.amazonaws.com rds describe-db-instances",
            "aws --endpoint-url http://sts.amazonaws.com sts get-caller-identity",
            f"unset AWS_ENDPOINT_URL; {Path(sys.executable).with_name('aws')} rds describe-db-instances",
            f"unset AWS_ENDPOINT_URL; {Path(sys.executable).with_name('aws')} s3 ls",
            "curl -sS --fail https://example.com",
            "curl -sS --fail http://example.com",
        ],
    )
    def test_nothing_leaves_the_machine(self, command: str, typed: Callable[[str], str]) -> None:
        said = typed(f"{{ {command}; }} && echo reached")
        assert "reached" not in said
        assert re.search(r"proxy|502|501", said), said  # refused by the stand-in application
