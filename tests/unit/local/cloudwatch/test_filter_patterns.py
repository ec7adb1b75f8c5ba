"""Filter patterns match and are refused as CloudWatch's documentation says."""

import pytest

from local.cloudwatch.filter_patterns import PatternError, matcher

SLOW = "LOG:  duration: 1502.3 ms  statement: SELECT 1"
USER = '{"userId": "u-1", "request": {"status": 500}, "path": "/map"}'


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", SLOW),
        ("duration", SLOW),
        ('"duration:"', SLOW),
        ('"duration: 1502" LOG', SLOW),
        ("LOG -ERROR", SLOW),
        ("?ERROR ?LOG", SLOW),
        ('{$.userId = "u-1"}', USER),
        ('{ $.userId = "u-*" }', USER),
        ("{$.request.status = 500}", USER),
        ('{$.userId != "u-2"}', USER),
    ],
)
def test_matches(pattern: str, message: str) -> None:
    assert matcher(pattern)(message)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("log", SLOW),  # case counts
        ("LOG ERROR", SLOW),  # all of them
        ("LOG -duration", SLOW),
        ("?ERROR ?WARN", SLOW),
        ('{$.userId = "u-2"}', USER),
        ('{$.nobody = "u-1"}', USER),
        ('{$.nobody != "u-1"}', USER),
        ('{$.userId = "u-1"}', "GET /map 200 u-1"),  # a JSON pattern matches no line of text
        ('{$.userId.name = "u-1"}', USER),
    ],
)
def test_does_not_match(pattern: str, message: str) -> None:
    assert not matcher(pattern)(message)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("duration:", r"^Invalid character\(s\) in term ':'$"),
        ("somebody@example.com", r"^Invalid character\(s\) in term '@'$"),
        ('"open', r"^Invalid filter pattern$"),
        ("{$.a = 1 && $.b = 2}", "compares one JSON member"),
    ],
)
def test_refused(pattern: str, said: str) -> None:
    with pytest.raises(PatternError, match=said):
        matcher(pattern)
