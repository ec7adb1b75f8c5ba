import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stacks.config import load
from stacks.environment import Environment
from tests.environments import CONFIG


@pytest.fixture
def production_with(tmp_path: Path) -> Callable[[str], Environment]:
    """`production_with(lines)`: production with these lines at the end of its file."""

    def changed(lines: str) -> Environment:
        folder = Path(shutil.copytree(CONFIG, tmp_path / "config"))
        with (folder / "production.toml").open("a") as file:
            file.write(f"\n{lines}\n")
        return load("production", folder)

    return changed
