"""How every function calls AWS."""

from typing import Any, Protocol

from botocore.config import Config

CLIENT = Config(
    connect_timeout=2,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=20,  # `rollback` reads at once
)
"""Of every AWS client. Three tries and the waits between them are 12 seconds at the most: a call that hangs must not use up the
minute that a function has."""

QUICK = CLIENT.merge(Config(retries={"mode": "standard", "total_max_attempts": 2}))
"""Of a function that has to tell people even if one service hangs: it calls several, one after another."""


class Secrets(Protocol):
    """What is used of a client of Secrets Manager."""

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]: ...  # noqa: N803 - boto3's name
