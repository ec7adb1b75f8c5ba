"""How every function calls AWS."""

from botocore.config import Config

CLIENT = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
"""Of every AWS client: a call that hangs must not use up the minute that a function has."""

QUICK = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
"""Of a function that has to tell people even if one service hangs: it calls several, one after another."""
