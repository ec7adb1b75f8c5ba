"""Synthesizes every environment into `cdk.out`, the policy packs included, as `cdk synth` does."""

import subprocess
import sys

from local.cloud import ROOT, kill_group


def main() -> int:
    """The CLI's exit status. It runs in a process group of its own, so that an interrupt leaves none of its children."""
    with subprocess.Popen(["cdk", "synth", "--quiet"], cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            return process.wait()
        finally:
            kill_group(process.pid)


if __name__ == "__main__":
    sys.exit(main())
