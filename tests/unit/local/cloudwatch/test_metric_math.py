"""Metric math, from https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html."""

from datetime import UTC, datetime, timedelta

import pytest

from local.cloudwatch.metric_math import ExpressionError, TimeSeries, compute

START = datetime(2026, 1, 5, 12, tzinfo=UTC)
TIMES = [START + timedelta(minutes=minute) for minute in range(5)]


def series(values: str) -> TimeSeries:
    """`"30 - 0"`: the values of the first minutes, `-` where there is none."""
    return {time: float(value) for time, value in zip(TIMES, values.split(), strict=False) if value != "-"}


def shown(result: object, width: int) -> str:
    assert isinstance(result, dict), result
    return " ".join(f"{result[time]:g}" if time in result else "-" for time in TIMES[:width])


def computed(expression: str, **metrics: str) -> str:
    width = max(len(values.split()) for values in metrics.values())
    named = {name: series(values) for name, values in metrics.items()}
    return shown(compute(expression, named, {}, TIMES[:width]), width)


@pytest.mark.parametrize(
    ("expression", "result"),
    [("metric1 < metric2", "0 0 1 0"), ("metric1 >= 30", "1 0 0 0"), ("metric1 > 15 AND metric2 > 15", "1 0 0 0")],
)
def test_the_documented_comparisons(expression: str, result: str) -> None:
    assert computed(expression, metric1="30 20 0 0", metric2="20 - 20 -") == result


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("IF(metric1, metric2, metric3)", "30 0 20 - -"),
        ("IF(metric1, 5, metric3)", "5 5 20 - -"),
        ("IF(metric1, metric2, 5)", "30 0 5 5 -"),
        ("IF(metric1, metric2)", "30 0 - - -"),
        ("IF(1, metric2, metric3)", "30 - 0 0 30"),
        ("IF(0, metric2, metric3)", "0 0 20 - 20"),
        ("IF(0, metric2)", "- - - - -"),
    ],
)
def test_the_documented_conditions(expression: str, result: str) -> None:
    assert computed(expression, metric1="1 1 0 0 -", metric2="30 - 0 0 30", metric3="0 0 20 - 20") == result


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("m1 + m2", "11 2 30"),  # "Missing values in a time series are treated as 0"
        ("m1 - m2", "9 2 -30"),
        ("m1 * 2", "20 4 -"),
        ("m1 / m2", "10 - 0"),  # "If the value of a data point causes a function to attempt to divide by zero, it is dropped"
        ("100 * m2 / (m1 + m2)", "9.09091 0 100"),
        ("-m1 + 1", "-9 -1 -"),
        ("m1 ^ 2 + 1", "101 5 -"),
        ("m1 > 5 || m2 > 5", "1 0 1"),
        ("m1 == 2 && m2 != 1", "0 0 0"),
    ],
)
def test_arithmetic_by_period(expression: str, result: str) -> None:
    assert computed(expression, m1="10 2 -", m2="1 - 30") == result


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("FILL(m1, 0)", "0 4 0 6 0"),
        ("FILL(m1, REPEAT)", "- 4 4 6 6"),
        ("FILL(m1, m2)", "1 4 - 6 9"),
        ("SUM(FILL([m1, m2], 0))", "1 6 0 13 9"),
    ],
)
def test_fill(expression: str, result: str) -> None:
    assert computed(expression, m1="- 4 - 6 -", m2="1 2 - 7 9") == result


def test_fill_of_a_metric_that_has_never_been_published() -> None:
    assert shown(compute("FILL(m1, 0)", {"m1": {}}, {}, TIMES), 5) == "0 0 0 0 0"


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("MAX([m1, m2])", "10 2 30"),
        ("MIN([m1, m2])", "1 2 30"),
        ("SUM([m1, m2])", "11 2 30"),
        ("AVG([m1, m2])", "5.5 1 15"),  # "Missing values are treated as 0"
        ("SUM(METRICS())", "11 2 30"),
        ('SUM(METRICS("2"))', "1 - 30"),
        ("MAX([METRICS(), m1 * 3])", "30 6 30"),
        ("SUM(100 / [m1, m2])", "110 50 3.33333"),
    ],
)
def test_aggregates_of_an_array(expression: str, result: str) -> None:
    assert computed(expression, m1="10 2 -", m2="1 - 30") == result


def test_the_error_rate_of_this_project() -> None:
    rate = computed(
        "IF(requests > 20, 100 * (FILL(elb, 0) + FILL(target, 0)) / requests)",
        requests="100 100 20 - 200",
        elb="- 1 20 5 -",
        target="- 4 - - 30",
    )
    assert rate == "0 5 - - 15"


def test_an_expression_uses_other_expressions() -> None:
    assert shown(compute("e1 * 2", {"m1": series("1 2")}, {"e1": series("5 6")}, TIMES), 2) == "10 12"


@pytest.mark.parametrize(
    "expression",
    [
        "m1 +",
        "m9",
        "MAX(m1)",
        "m1 - AVG(m1)",
        "FILL(m1, LINEAR)",
        "ANOMALY_DETECTION_BAND(m1)",
        "SEARCH('x', 'Sum')",
        "RATE(m1)",
        "IF(1, 2, 3)",
        "IF([m1], m1)",
        "[m1] + [m1]",
        "1 / 0 + m1",
        "0 < m1 < 5",
        "m1 % 2",
        "True",
        "SUM([m1, 3])",
        "__import__('os').system('true')",
        "m1.real",
        "(lambda: 1)()",
    ],
)
def test_what_is_not_known_is_refused(expression: str) -> None:
    with pytest.raises(ExpressionError):
        compute(expression, {"m1": series("1 2")}, {}, TIMES)


@pytest.mark.parametrize("expression", ["m1 ^ 9 ^ 9", "(1 - m1) ^ 0.5"])
def test_what_is_no_real_number_is_no_datapoint(expression: str) -> None:
    assert computed(expression, m1="10 1").split()[0] == "-"
