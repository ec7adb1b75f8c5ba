"""The environments that tests run on: fixtures of their own in `tests/config/`, whatever a team puts into `config/`."""

from pathlib import Path

from stacks.config import load, load_all

CONFIG = Path(__file__).parent / "config"
ENVIRONMENTS = {environment.name: environment for environment in load_all(CONFIG)}
PRODUCTION = load("production", CONFIG)
STAGING = load("staging", CONFIG)
