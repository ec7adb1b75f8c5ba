"""`releases` when AWS fails: at each call, before and after its effect, the parameter never names what is not known to be good."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from botocore.exceptions import ReadTimeoutError

from ..world import Crash, World, refusal, world

ERRORS: tuple[Exception, ...] = (
    refusal("AccessDeniedException"),
    refusal("ThrottlingException"),
    refusal("InternalServerError"),
    ReadTimeoutError(endpoint_url="https://an.endpoint"),
)


def released(aws: World) -> None:
    aws.release()


def rolled_back(aws: World) -> None:
    aws.release()
    aws.look()
    aws.begin_release()
    aws.ecs.fail()
    aws.ecs.settle()


def failing(aws: World) -> None:
    aws.release()
    aws.look()
    aws.begin_release()
    aws.ecs.fail()


@pytest.mark.parametrize("happens", [released, rolled_back, failing])
def test_whatever_call_fails_the_image_is_a_good_one_and_the_next_look_repairs_it(happens: Callable[[World], None]) -> None:
    with world() as aws:
        happens(aws)
        before = aws.image
        aws.look()
        calls, good = [call.name for call in aws.calls], aws.image
    cases = 0
    for error in ERRORS:
        for name in calls:
            with world() as aws:
                happens(aws)
                aws.refusals[name] = error
                # While a deployment is under way nothing is decided, and what is only read to be shown may fail.
                with suppress(type(error)) if happens is failing else pytest.raises(type(error)):
                    aws.look()
                assert aws.image in (before, good)
                aws.refusals.clear()
                aws.look()
                assert aws.image == good
            cases += 1
    for point in range(2 * len(calls)):
        with world() as aws:
            happens(aws)
            aws.crash_at = point
            with suppress(Crash):
                aws.look()
            aws.crash_at = None
            assert aws.image in (before, good)
            aws.look()
            assert aws.image == good
        cases += 1
    print(f"{happens.__name__}: {cases} cases, 0 violations")
    assert cases >= 6
