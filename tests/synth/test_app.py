"""`app.py` as the CLI runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.environments import CONFIG

ROOT = Path(__file__).parents[2]


def test_a_wrong_configuration_prints_a_sentence_and_no_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    for file in CONFIG.glob("*.toml"):
        (folder / file.name).write_text(file.read_text().replace("min_tasks = 2", "min_tasks = 9"))
    run = subprocess.run(
        [sys.executable, ROOT / "app.py"],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # the locked Node, not the machine's
            "CDK_CONTEXT_JSON": json.dumps({"config": str(folder)}),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (
        1,
        "config/production.toml: backend: min_tasks = 9 should be at most max_tasks = 8\n",
    )
