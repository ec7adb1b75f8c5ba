"""The programs for Node.js do what they say, with a stand-in for node-postgres; and what the comparison wrote is told in words."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lambdas.procedures import comparison
from lambdas.procedures.rotation import CONNECTS
from lambdas.procedures.run import VerifyError

VARIABLES = {"host": "H", "port": "P", "username": "U", "password": "W", "dbname": "D"}
LIVE = {"public.claims": ["12", "2026-11-26"], "public.users": ["3", None], "public.added": ["1", None]}
OTHER = {"public.claims": ["10", "2026-11-25"], "public.users": ["3", None]}

STAND_IN = """
exports.Client = class {
  constructor(options) {
    if (options.password !== "secret") this.refused = new Error("password authentication failed");
    this.tables = JSON.parse(process.env.TABLES || "{}")[options.host];
  }
  async connect() { if (this.refused) throw this.refused; }
  async end() {}
  async query(text) {
    if (text.includes("information_schema.tables"))
      return { rows: Object.keys(this.tables).map((name) => {
        const [schema, table] = name.split(".");
        return { schema, name: table, time: this.tables[name][1] ? "updated_at" : null };
      }) };
    const found = text.match(/FROM "(.*)"\\."(.*)"/);
    if (!found) return { rows: [] };
    const [rows, newest] = this.tables[`${found[1]}.${found[2]}`];
    return { rows: [{ rows, newest: text.includes('max("updated_at")') ? newest : null }] };
  }
};
"""


@pytest.fixture
def node(tmp_path: Path) -> Any:
    """Runs a program with the stand-in, and the variables that the task has."""
    module = tmp_path / "node_modules" / "pg"
    module.mkdir(parents=True)
    (module / "index.js").write_text(STAND_IN)
    program = shutil.which("node")
    assert program

    def run(text: str, **more: str) -> subprocess.CompletedProcess[str]:
        own = {"H": "live", "P": "5432", "U": "hz_admin", "W": "secret", "D": "hz", "VARIABLES": json.dumps(VARIABLES)}
        environment = {"PATH": os.environ["PATH"], **own, **more}
        return subprocess.run(
            [program, "-e", text], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    return run


def compared(node: Any, other: dict[str, Any]) -> str:
    given = comparison.variables(("live", "restored"), VARIABLES)
    ended = node(comparison.PROGRAM, TABLES=json.dumps({"live": LIVE, "restored": other}), **given)
    assert ended.returncode == 0, ended.stderr
    return comparison.told(ended.stdout.splitlines())


def test_tables_that_differ_are_told_with_their_rows_and_newest_times(node: Any) -> None:
    assert compared(node, OTHER) == (
        "2 of 3 tables differ: public.claims: 12 rows to 2026-11-26 live, 10 rows to 2026-11-25 restored; "
        "public.added: 1 rows live, no table restored."
    )


def test_equal_databases_are_told_to_be(node: Any) -> None:
    assert compared(node, LIVE) == "All 3 tables have the same rows and the same newest time."


def test_no_password_is_written(node: Any) -> None:
    ended = node(comparison.PROGRAM, W="wrong", **comparison.variables(("live", "restored"), VARIABLES))
    assert (ended.returncode, ended.stderr) == (1, "password authentication failed\n")


def test_what_compared_nothing_is_an_error() -> None:
    with pytest.raises(VerifyError, match="wrote Error: no module"):
        comparison.told(["Error: no module"])


def test_a_task_that_connects_ends_well_and_any_other_does_not(node: Any) -> None:
    assert node(CONNECTS).returncode == 0
    assert node(CONNECTS, W="wrong").returncode == 1


def test_the_programs_fit_the_overrides_of_a_task() -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html: 8192 characters."""
    given = json.dumps([comparison.command(), comparison.variables(["x" * 200, "x" * 200], VARIABLES)])
    assert max(len(given), len(json.dumps(CONNECTS))) < 7000
