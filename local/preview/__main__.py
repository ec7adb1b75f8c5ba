"""Draws the dashboard as one HTML page, before it is deployed."""

import argparse
import sys
from pathlib import Path

from local.cloud import STATE, CloudError
from local.cloudwatch.alarms import AlarmError
from local.preview.page import Page, body, judged
from local.preview.recorded import RECORDING, Recording, load_recording
from local.replay import definitions
from local.replay.trace import TraceError
from stacks.config import ConfigError, load, names
from stacks.environment import Environment

PAGE = STATE / "dashboard.html"


def draw(environment: Environment, recording: Recording) -> str:
    """The page of an environment's dashboard; CloudError when it does not synthesize, AlarmError names an unsupported alarm."""
    template = definitions.template(environment)
    histories = judged(definitions.alarms(template, environment), recording)
    return Page(environment, recording, body(template, environment), histories).html()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.preview", description=__doc__)
    parser.add_argument(
        "environment", nargs="?", default="production", help=f"whose dashboard: {', '.join(names())} (default: production)"
    )
    parser.add_argument(
        "--trace", type=Path, default=RECORDING, help="a trace, such as `python -m local.preview.recording` makes"
    )
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args()
    try:
        environment = load(options.environment)
        html = draw(environment, load_recording(options.trace, environment))
    except (ConfigError, CloudError, TraceError, AlarmError) as error:
        print(error, file=sys.stderr)
        return 1
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(html, encoding="utf-8")
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
