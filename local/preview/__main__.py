"""Draws the dashboard as one HTML page, before it is deployed."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from local.cloud import STATE, CloudError
from local.cloudwatch.alarms import AlarmError
from local.preview.page import draw
from local.preview.recorded import RECORDING, load_recording
from local.replay import definitions
from local.replay.trace import TraceError
from stacks.config import CONFIG, ConfigError, load

PAGE = STATE / "dashboard.html"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, or 1 when the trace or the environment is not right."""
    parser = argparse.ArgumentParser(prog="python -m local.preview", description=__doc__)
    parser.add_argument("environment", nargs="?", default="production", help="whose dashboard, production's by default")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FOLDER", help="whose environments: config by default")
    parser.add_argument(
        "--trace", type=Path, default=RECORDING, help="a trace, such as `python -m local.preview.recording` makes"
    )
    parser.add_argument("--output", type=Path, default=PAGE)
    options = parser.parse_args(arguments)
    try:
        environment = load(options.environment, options.config)
        recording = load_recording(options.trace, environment)
        html = draw(definitions.template(environment, options.config), environment, recording).html()
        options.output.parent.mkdir(exist_ok=True)
        options.output.write_text(html, encoding="utf-8")
    except (ConfigError, CloudError, TraceError, AlarmError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:  # of what is written; reading is a TraceError
        print(f"{error.filename}: {error.strerror}.", file=sys.stderr)
        return 1
    print(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
