"""A shell as somebody has it open: it keeps its variables from one command to the next."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from local.cloud import Cloud

_END = "--- the command has ended ---"


class Shell:
    """A bash with the environment that `make shell` gives. Use it as a context manager."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._command = folder / "command.sh"
        self._bash = _bash(cloud.shell_environ)
        self.run("set -euo pipefail")

    def run(self, command: str) -> str:
        """The output of a command, as a terminal shows it; AssertionError with that output when the command fails."""
        self._command.write_text(command)
        stdin, stdout = self._bash.stdin, self._bash.stdout
        assert stdin
        assert stdout
        stdin.write(f". {self._command} </dev/null\necho '{_END}'\n")
        stdin.flush()
        lines = []
        for line in stdout:
            if line.endswith(f"{_END}\n"):
                return "".join(lines) + line.removesuffix(f"{_END}\n")
            lines.append(line)
        raise AssertionError(f"failed: {command}\n{''.join(lines)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bash.communicate()


def _bash(environ: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        ["bash"], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
