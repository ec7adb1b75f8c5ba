"""Ctrl-C ends a command with one line, and leaves no process and no file behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from local.cloud import ROOT, STATE, synthesize
from tests.environments import CONFIG
from tests.local.processes import gone

APART = "import sys; from pathlib import Path; import local.cloud; local.cloud.STATE = Path(sys.argv.pop(1)); "
"""A command whose clouds and assemblies are in another folder, its first argument."""
DRILL = APART + "from local.drills.__main__ import main; sys.exit(main())"
UP = APART + "import local.__main__ as up; up.STATE = local.cloud.STATE; up.FOLDER = up.STATE / 'up'; sys.exit(up.main())"


def groups(ancestor: int) -> set[int]:
    """The process groups of a process's descendants."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,pgid="], check=True, capture_output=True, text=True).stdout
    processes = [tuple(map(int, line.split())) for line in listed.splitlines()]
    family = {ancestor}
    while more := {pid for pid, parent, _ in processes if parent in family} - family:
        family |= more
    return {group for pid, _, group in processes if pid in family}


def interrupted(code: str, arguments: Sequence[str], at: str = "") -> tuple[int, str]:
    """The exit status of a command and what it said on standard error, when Ctrl-C comes as it prints a line.

    Without a line, when it has started a process group.
    """
    command = [sys.executable, "-u", "-c", code, *arguments]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout
        if at:
            assert any(at in line for line in process.stdout)
        started = groups(process.pid)
        while not at and len(started) == 1:
            started = groups(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said = process.communicate()[1]
    assert all(gone(group) for group in started)
    return process.returncode, said


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A folder for clouds that has the assemblies of the tests' configuration already, and nothing else in the end."""
    synthesize(CONFIG)
    (tmp_path / "assemblies").symlink_to(STATE / "assemblies")
    yield tmp_path
    assert [
        file.name for file in tmp_path.iterdir() if file.suffix != ".lock" and file.name not in {"assemblies", "node"}
    ] == []


@pytest.mark.parametrize(
    ("code", "arguments"), [(DRILL, ["--env", "production"]), (UP, ["up", "production", "--port", "0"])], ids=["drill", "local"]
)
def test_while_it_deploys(code: str, arguments: list[str], state: Path) -> None:
    status, said = interrupted(code, [str(state), *arguments, "--config", str(CONFIG)], "bootstrapping the account")
    assert (status, said) == (-signal.SIGINT, "\nInterrupted.\n")


def test_while_it_synthesizes(tmp_path: Path) -> None:
    status, said = interrupted(DRILL, [str(tmp_path), "--config", str(CONFIG)], "synthesizing")
    assert (status, said) == (-signal.SIGINT, "\nInterrupted.\n")
    assert [file.name for file in tmp_path.iterdir() if file.suffix != ".lock" and file.name != "node"] == ["assemblies"]
    assert list((tmp_path / "assemblies").iterdir()) == []


def test_while_every_environment_is_synthesized() -> None:
    assert interrupted("import local.synth; local.synth.main()", []) == (-signal.SIGINT, "\nInterrupted.\n")


def test_while_a_command_still_imports() -> None:
    importing = "import local, signal; print('importing'); signal.pause(); import local.replay"
    assert interrupted(importing, [], "importing") == (-signal.SIGINT, "\nInterrupted.\n")


def test_under_make_the_line_is_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKELEVEL", "1")
    code = "import local, os, signal; os.kill(os.getpid(), signal.SIGINT)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")
