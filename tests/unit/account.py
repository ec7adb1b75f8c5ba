"""An empty AWS account of moto's, without what nobody here looks at and that takes longer than a test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto.core import models
from moto.core.base_backend import BackendDict
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker


@contextmanager
def empty_account(*not_mocked: str) -> Iterator[None]:
    """The account, for boto3 only; calls of the services that are `not_mocked` go on to the network."""
    moto = _Moto(config={"core": {"passthrough": {"services": [*not_mocked]}}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        patch.setattr(models, "RESPONSES_METHODS", ())  # a route for each URL and method, for who calls without boto3
        patch.setattr(XFormedAttributePicker, "get_possible_keys", _possible_keys)
        moto.start()
        try:
            yield
        finally:
            moto.stop(remove_data=False)  # the next start does


class _Moto(models.MockAWS):
    def reset(self) -> None:
        """Forget everything; moto's own reset builds a default VPC first."""
        for service in BackendDict._instances:
            if service.service_name == "ec2":
                service.clear()
        BackendDict.reset()
        models.reset_responses_mock(models.responses_mock)


_KEYS: dict[tuple[Any, ...], list[str]] = {}


def _possible_keys(
    self: XFormedAttributePicker,
    context: AttributePickerContext,
    work_out: Callable[..., Iterator[str]] = XFormedAttributePicker.get_possible_keys,
) -> list[str]:
    """The names under which moto looks for a member of an answer: worked out once, since it does so for each value."""
    of = type(context.obj), context.key, context.shape
    if of not in _KEYS:
        _KEYS[of] = [*work_out(self, context)]
    return _KEYS[of]
