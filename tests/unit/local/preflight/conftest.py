from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from tests.unit.account import empty_account

from .aws import Aws
from .web import served

Serve = Callable[[Mapping[str, Any]], str]


@pytest.fixture
def aws() -> Iterator[Aws]:
    """An empty account."""
    with empty_account():
        yield Aws()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server on loopback that answers each path and query with the JSON given for it, and says its URL."""
    with ExitStack() as servers:
        yield lambda answers: servers.enter_context(served(answers))
