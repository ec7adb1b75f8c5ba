"""`python -m local up NAME` keeps a cloud until `python -m local down`, and prints commands that work."""

import gc
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import local.__main__ as command_line
from local.cloud import ROOT, Cloud, CloudError
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

    def test_up_keeps_a_cloud_until_down(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.up("production") == 0
        gc.collect()  # whatever could have kept the server's standard input open in this process
        cloud = command_line.find()
        assert cloud is not None
        assert (cloud.environment, cloud.config) == (PRODUCTION, CONFIG)
        assert f"production is up at {cloud.endpoint}" in capsys.readouterr().out
        assert self.run("down") == 0
        assert gone(cloud.process_group)
        assert command_line.find() is None

    def test_up_again_deploys_to_the_same_cloud(self) -> None:
        self.up("production")
        first = command_line.find()
        self.up("production")
        again = command_line.find()
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


def test_the_commands_that_make_local_prints_work_as_printed(cloud: Cloud) -> None:
    script = "\n".join(["set -euo pipefail", *command_line.commands(cloud)])
    bare = {"PATH": "/usr/bin:/bin"}
    shell = ["bash", "-c", script]
    output = subprocess.run(shell, check=True, cwd=ROOT, env=bare, stdout=subprocess.PIPE, text=True).stdout
    for shown in ('"status": "ACTIVE"', '"status": "SUCCESSFUL"', "alb-5xx-rate-critical", "DashboardBody", "DBInstanceStatus"):
        assert shown in output
