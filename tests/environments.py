"""The environments that tests run on: fixtures of their own, whatever a team puts into `config/`.

`tests/config/` has production and staging as the runbook names them. `tests/variants/` is another application's, with everything
that is optional and with nothing of it.
"""

from pathlib import Path

from stacks.config import load_all

CONFIG = Path(__file__).parent / "config"
ENVIRONMENTS = {environment.name: environment for environment in load_all(CONFIG)}
PRODUCTION = ENVIRONMENTS["production"]
STAGING = ENVIRONMENTS["staging"]

VARIANTS_CONFIG = Path(__file__).parent / "variants"
VARIANTS = {environment.name: environment for environment in load_all(VARIANTS_CONFIG)}
