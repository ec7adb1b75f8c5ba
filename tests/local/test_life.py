"""The server process starts, serves on loopback only, and leaves nothing behind however it ends."""

import contextlib
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import local.__main__ as command_line
from local.cloud import ROOT, Cloud, CloudError
from stacks.environment import Environment


def alive(process_group: int) -> bool:
    """Whether a process group has a process that is not merely waiting to be asked after."""
    processes = subprocess.run(["ps", "-e", "-o", "pgid=,stat="], check=True, capture_output=True, text=True).stdout
    states = [line.split()[1] for line in processes.splitlines() if int(line.split()[0]) == process_group]
    return any(not state.startswith("Z") for state in states)


def gone(process_group: int) -> bool:
    """Whether a process group is gone, or goes in the time that a few looks take: the kernel closes sockets a little earlier."""
    return any(not alive(process_group) for _ in range(100))


def test_a_cloud_ends_with_its_context(production: Environment) -> None:
    with Cloud.start(production) as cloud:
        assert alive(cloud.process_group)
    assert gone(cloud.process_group)
    assert not cloud.folder.exists()


def test_a_cloud_ends_when_its_context_fails_and_keeps_its_logs(production: Environment) -> None:
    with pytest.raises(KeyboardInterrupt), Cloud.start(production) as cloud:
        raise KeyboardInterrupt
    assert gone(cloud.process_group)
    assert (cloud.folder / "server.log").exists()
    shutil.rmtree(cloud.folder)


def test_a_cloud_ends_when_the_process_that_started_it_is_killed() -> None:
    code = """
from local.cloud import Cloud
from stacks.config import CONFIG, load
with Cloud.start(load("production")) as cloud:
    print(cloud.port, cloud.process_group, cloud.folder, flush=True)
    input()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        port, process_group, folder = owner.stdout.readline().split()
        with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as connection:
            owner.kill()
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""  # blocks until the server, which holds the other end, is gone
    assert gone(int(process_group))
    shutil.rmtree(folder)


def test_only_loopback_is_served(empty_cloud: Cloud) -> None:
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("the kernel's table of sockets is Linux's")
    sockets = [line.split() for line in table.read_text().splitlines()[1:]]
    listening = [local for _, local, _, state, *_ in sockets if state == "0A" and local.endswith(f":{empty_cloud.port:04X}")]
    assert listening == [f"0100007F:{empty_cloud.port:04X}"]


def test_a_port_in_use_is_said_in_one_sentence(production: Environment, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CloudError, match=rf"^The local cloud did not start: port {port} of 127\.0\.0\.1 cannot be used"):
            Cloud.launch(production, tmp_path, port=port)


def test_a_cloud_that_is_gone_is_said_in_one_sentence(production: Environment) -> None:
    with Cloud.start(production) as cloud:
        os.killpg(cloud.process_group, signal.SIGKILL)
        with pytest.raises(CloudError, match=r"^The local cloud at http://localhost:\d+ does not answer"):
            cloud.now()


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

    def run(self, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["local", *arguments])
        handler = signal.getsignal(signal.SIGTERM)
        try:
            return command_line.main()
        finally:
            signal.signal(signal.SIGTERM, handler)

    def test_up_keeps_a_cloud_until_down(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run(monkeypatch, "up", "production", "--port", "0") == 0
        gc.collect()  # whatever could have kept the server's standard input open in this process
        cloud = command_line.find()
        assert cloud is not None
        assert f"production is up at {cloud.endpoint}" in capsys.readouterr().out
        assert self.run(monkeypatch, "down") == 0
        assert gone(cloud.process_group)
        assert command_line.find() is None

    def test_up_again_deploys_to_the_same_cloud(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.run(monkeypatch, "up", "production", "--port", "0")
        first = command_line.find()
        self.run(monkeypatch, "up", "production", "--port", "0")
        again = command_line.find()
        assert first is not None
        assert again is not None
        assert again.process_group == first.process_group

    def test_another_environment_is_refused_while_one_is_up(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.run(monkeypatch, "up", "production", "--port", "0")
        capsys.readouterr()
        assert self.run(monkeypatch, "up", "staging", "--port", "0") == 1
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
        assert self.run(monkeypatch, "up", "production", "--port", "0") == 1
        assert capsys.readouterr().err == "cdk deploy failed.\n"
        assert gone(started[0].process_group)

    def test_down_without_a_cloud_says_so(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.run(monkeypatch, "down") == 0
        assert capsys.readouterr().out == "The local cloud is not up.\n"
