"""How every function calls AWS."""

from typing import Any, Protocol

from botocore.config import Config

CLIENT = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
"""Of every AWS client: a call that hangs must not use up the minute that a function has."""


class Secrets(Protocol):
    """What is used of a client of Secrets Manager."""

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]: ...  # noqa: N803 - boto3's name
