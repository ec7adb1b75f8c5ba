"""Runs the drill of a database that fails, and keeps its incident for the pages of `docs/`."""

import argparse
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from local.cloud import Cloud
from local.documents.post_mortem import RECORDED
from local.drills.catalog import run
from local.drills.simulation import Simulation
from stacks.config import load


def main() -> int:
    """Exit status 0 when the drill passed and its incident was kept."""
    argparse.ArgumentParser(prog="python -m local.documents.recording", description=__doc__).parse_args()
    with Cloud.start(load("production")) as cloud, TemporaryDirectory() as folder:
        cloud.deploy()
        with closing(Simulation(cloud)) as simulation:
            drill = run("database-failure", simulation, Console())
            drill.save(Path(folder))
        if not drill.passed:
            return 1
        RECORDED.mkdir(exist_ok=True)
        for name in ("incident.json", "post-mortem.md"):
            (found,) = Path(folder).rglob(name)
            (RECORDED / name).write_bytes(found.read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
