"""Synthesizes every environment into `cdk.out`, the policy packs included, as `cdk synth` does."""

import sys

from local.cloud import ROOT, group


def main() -> int:
    """The CLI's exit status."""
    with group(["cdk", "synth", "--quiet"], ROOT, output=None) as process:
        return process.wait()


if __name__ == "__main__":
    sys.exit(main())
