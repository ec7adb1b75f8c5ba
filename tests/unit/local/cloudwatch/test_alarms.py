"""CloudWatch's evaluation of metric alarms, from the worked examples of its user guide."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloudwatch.alarms import AlarmError, Data, Datapoint, Metric, Verdict, decide, evaluate, evaluation_range, metrics

NOW = datetime(2026, 1, 5, 12, 30, 12, 345000, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RULES = ("missing", "ignore", "breaching", "notBreaching")


def alarm(**changes: Any) -> dict[str, Any]:
    """CPU of one service over 5 %, 2 of 3 minutes, as DescribeAlarms returns it; a change to None takes the key away."""
    definition = {
        "AlarmName": "cpu-critical",
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:cpu-critical",
        "ActionsEnabled": True,
        "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:escalations"],
        "StateValue": "OK",
        "Namespace": "AWS/ECS",
        "MetricName": "CPUUtilization",
        "Dimensions": [{"Name": "ServiceName", "Value": "api"}, {"Name": "ClusterName", "Value": "main"}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        **changes,
    }
    return {key: value for key, value in definition.items() if value is not None}


def query(name: str, metric: str, **stat: Any) -> dict[str, Any]:
    described = {
        "Namespace": "AWS/ApplicationELB",
        "MetricName": metric,
        "Dimensions": [{"Name": "LoadBalancer", "Value": "alb"}],
    }
    return {"Id": name, "MetricStat": {"Metric": described, "Period": 60, "Stat": "Sum", **stat}, "ReturnData": False}


def math_alarm(expression: str, *queries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    simple = dict.fromkeys(("Namespace", "MetricName", "Dimensions", "Statistic", "Period"))
    return alarm(Metrics=[{"Id": "rate", "Expression": expression, "ReturnData": True}, *queries], **simple, **changes)


def published(definition: dict[str, Any], samples: float = 1, **minutes: Sequence[float | None]) -> Data:
    """Datapoints by query id (`m1` for a simple alarm), oldest first, the last in the newest complete minute before NOW."""
    newest = evaluation_range(definition, NOW)[0]
    return {
        metrics(definition)[name]: {
            newest - MINUTE * (len(values) - 1 - index): Datapoint(value, samples)
            for index, value in enumerate(values)
            if value is not None
        }
        for name, values in minutes.items()
    }


def judged(definition: dict[str, Any], *values: float | None, samples: float = 1) -> Verdict:
    verdict = evaluate(definition, published(definition, samples, m1=values), NOW)
    assert verdict is not None
    return verdict


def points(drawn: str) -> list[bool | None]:
    """`"0 - X"`, oldest first as the user guide draws them, to newest first."""
    return [{"X": True, "0": False, "-": None}[mark] for mark in reversed(drawn.split())]


# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
# "How alarm state is evaluated when data is missing": both tables, row by row. The evaluation range is 5 datapoints.
KEPT = None
THREE_OF_THREE = {
    "0 - X - X": ("OK", "OK", "OK", "OK"),
    "0 - - - -": ("OK", "OK", "OK", "OK"),
    "- - - - -": ("INSUFFICIENT_DATA", KEPT, "ALARM", "OK"),
    "0 X X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "- - X - -": ("ALARM", KEPT, "ALARM", "OK"),
}
TWO_OF_THREE = {
    "0 - X - X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 0 X 0 X": ("ALARM", "ALARM", "ALARM", "ALARM"),
    "0 - X - -": ("OK", "OK", "ALARM", "OK"),
    "- - - - 0": ("OK", "OK", "ALARM", "OK"),
    "- - - X -": ("ALARM", KEPT, "ALARM", "OK"),
}
# Rows of the same tables in the guide's edition of 2018 (github.com/awsdocs/amazon-cloudwatch-user-guide), not contradicted since.
OLDER_THREE_OF_THREE = {
    "- - - - X": ("INSUFFICIENT_DATA", KEPT, "ALARM", "OK"),
    "X - - - -": ("ALARM", KEPT, "ALARM", "OK"),
}
OLDER_TWO_OF_THREE = {"- - - - X": ("INSUFFICIENT_DATA", KEPT, "ALARM", "OK")}


@pytest.mark.parametrize(
    ("needed", "drawn", "rule", "state"),
    [
        pytest.param(needed, drawn, rule, state, id=f"{needed} of 3: {drawn} {rule}")
        for needed, tables in {3: (THREE_OF_THREE, OLDER_THREE_OF_THREE), 2: (TWO_OF_THREE, OLDER_TWO_OF_THREE)}.items()
        for table in tables
        for drawn, states in table.items()
        for rule, state in zip(RULES, states, strict=True)
    ],
)
def test_the_documented_missing_data_tables(needed: int, drawn: str, rule: str, state: str | None) -> None:
    assert decide(points(drawn), needed, 3, rule) == state


@pytest.mark.parametrize("drawn", ["- - - - X", "- - - X -"])
def test_one_young_breaching_datapoint_is_no_alarm_yet(drawn: str) -> None:
    # "the alarm does not go immediately into ALARM state when the data is either - - - - X or - - - X -", 3 of 3
    assert decide(points(drawn), 3, 3, "missing") != "ALARM"


def test_the_documented_graph_of_three_of_three() -> None:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html: over the threshold in periods 3 to 5
    # and again in 9; ALARM in period 5, OK from period 6 on.
    breaches = [False, False, True, True, True, False, False, False, True]
    states = [decide(list(reversed(breaches[: period + 1]))[:5], 3, 3, "missing") for period in range(2, 9)]
    assert states == ["OK", "OK", "ALARM", "OK", "OK", "OK", "OK"]


marks = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=9)


@given(drawn=marks, needed=st.integers(1, 5), extra=st.integers(0, 4), rule=st.sampled_from(RULES), at=st.integers(0, 8))
def test_a_worse_datapoint_never_ends_an_alarm(drawn: list[bool | None], needed: int, extra: int, rule: str, at: int) -> None:
    worse = [True if index == at and mark is False else mark for index, mark in enumerate(drawn)]
    if decide(drawn, needed, needed + extra, rule) == "ALARM":
        assert decide(worse, needed, needed + extra, rule) == "ALARM"


@given(drawn=marks, needed=st.integers(1, 5), extra=st.integers(0, 4), rule=st.sampled_from(RULES))
def test_asking_for_more_breaching_datapoints_never_makes_an_alarm(
    drawn: list[bool | None], needed: int, extra: int, rule: str
) -> None:
    if decide(drawn, needed, needed + extra + 1, rule) != "ALARM":
        assert decide(drawn, needed + 1, needed + extra + 1, rule) != "ALARM"


@given(drawn=st.lists(st.booleans(), min_size=9, max_size=9), needed=st.integers(1, 5), extra=st.integers(0, 4))
def test_without_missing_data_it_is_m_of_the_last_n(drawn: list[bool], needed: int, extra: int) -> None:
    periods = needed + extra
    expected = "ALARM" if sum(drawn[:periods]) >= needed else "OK"
    assert {decide(drawn, needed, periods, rule) for rule in RULES} == {expected}


@pytest.mark.parametrize(
    ("comparison", "state"),
    [
        ("GreaterThanThreshold", "OK"),
        ("GreaterThanOrEqualToThreshold", "ALARM"),
        ("LessThanThreshold", "OK"),
        ("LessThanOrEqualToThreshold", "ALARM"),
    ],
)
def test_a_value_on_the_line(comparison: str, state: str) -> None:
    assert judged(alarm(ComparisonOperator=comparison), 5.0, 5.0, 5.0).state == state


@pytest.mark.parametrize(("comparison", "state"), [("GreaterThanThreshold", "ALARM"), ("LessThanThreshold", "OK")])
def test_a_value_over_the_line(comparison: str, state: str) -> None:
    assert judged(alarm(ComparisonOperator=comparison), 5.1, 5.1, 5.1).state == state


def test_the_period_under_way_does_not_count() -> None:
    definition = alarm()
    under_way = NOW.replace(second=0, microsecond=0)
    data = {metrics(definition)["m1"]: {under_way - MINUTE * back: Datapoint(9.0, 1) for back in (0, 1)}}
    verdict = evaluate(definition, data, NOW)
    assert verdict is not None
    assert verdict.state == "OK"


def test_older_datapoints_than_the_evaluation_range_do_not_count() -> None:
    assert judged(alarm(TreatMissingData="missing"), 9.0, 9.0, 9.0, None, None, None, None, None).state == "INSUFFICIENT_DATA"


def test_a_longer_period_ends_on_a_whole_minute() -> None:
    # The sample event of https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html:
    # queryDate 17:04:40, period 300, startDate 16:59:00
    times = evaluation_range(alarm(Period=300), datetime(2019, 10, 2, 17, 4, 40, tzinfo=UTC))
    assert [f"{time:%H:%M:%S}" for time in times] == ["16:59:00", "16:54:00", "16:49:00", "16:44:00", "16:39:00"]


@given(st.permutations([1.0, 9.0, 9.0, 2.0, 7.0]).map(tuple), st.randoms())
def test_the_order_in_which_datapoints_arrive_does_not_matter(values: tuple[float, ...], random: Any) -> None:
    definition = alarm()
    ((metric, series),) = published(definition, m1=values).items()
    shuffled = list(series.items())
    random.shuffle(shuffled)
    assert evaluate(definition, {metric: series}, NOW) == evaluate(definition, {metric: dict(shuffled)}, NOW)


def test_dimensions_match_exactly_and_in_any_order() -> None:
    (metric,) = metrics(alarm()).values()
    assert metric == Metric(
        "AWS/ECS", "CPUUtilization", frozenset({("ClusterName", "main"), ("ServiceName", "api")}), "Average", 60
    )
    elsewhere = Metric("AWS/ECS", "CPUUtilization", frozenset({("ServiceName", "api")}), "Average", 60)
    breaching = {time: Datapoint(9.0, 1) for time in evaluation_range(alarm(), NOW)}
    verdict = evaluate(alarm(TreatMissingData="missing"), {elsewhere: breaching}, NOW)
    assert verdict is not None
    assert verdict.state == "INSUFFICIENT_DATA"


def test_without_datapoints_to_alarm_every_period_has_to_breach() -> None:
    assert judged(alarm(DatapointsToAlarm=None), 4.0, 6.0, 6.0).state == "OK"
    assert judged(alarm(DatapointsToAlarm=None), 6.0, 6.0, 6.0).state == "ALARM"


def test_without_a_rule_missing_data_is_missing() -> None:
    assert judged(alarm(TreatMissingData=None)).state == "INSUFFICIENT_DATA"


# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/percentiles-with-low-samples.html
# "fewer than 10/(1-percentile) data points during the evaluation period ... 1000 samples for an alarm on a p99 percentile"
@pytest.mark.parametrize(("statistic", "enough"), [("p99", 1000), ("p95", 200), ("p50", 20), ("p10", 100), ("p99.9", 10000)])
def test_few_samples_of_a_percentile_leave_the_state_alone(statistic: str, enough: int) -> None:
    definition = alarm(Statistic=None, ExtendedStatistic=statistic, EvaluateLowSampleCountPercentile="ignore")
    few = published(definition, (enough - 1) / 3, m1=(9.0, 9.0, 9.0))
    assert evaluate(definition, few, NOW) is None
    assert judged(definition, 9.0, 9.0, 9.0, samples=enough / 3).state == "ALARM"


@pytest.mark.parametrize("rule", [None, "evaluate"])
def test_few_samples_count_unless_the_alarm_ignores_them(rule: str | None) -> None:
    definition = alarm(Statistic=None, ExtendedStatistic="p95", EvaluateLowSampleCountPercentile=rule)
    assert judged(definition, 9.0, 9.0, 9.0).state == "ALARM"


def test_a_percentile_without_any_data_follows_the_missing_data_rule() -> None:
    definition = alarm(Statistic=None, ExtendedStatistic="p95", EvaluateLowSampleCountPercentile="ignore")
    assert judged(definition).state == "OK"


# Metric math

RATE = "IF(requests > 20, 100 * (FILL(elb, 0) + FILL(target, 0)) / requests)"
QUERIES = (query("requests", "RequestCount"), query("elb", "ELB5XX"), query("target", "Target5XX"))


def test_metric_math_watches_the_query_whose_data_is_returned() -> None:
    definition = math_alarm(RATE, *QUERIES)
    data = published(definition, requests=(100, 100, 100), target=(0, 10, 10), elb=(None, None, 1))
    verdict = evaluate(definition, data, NOW)
    assert verdict is not None
    assert verdict.state == "ALARM"
    assert json.loads(verdict.reason_data)["recentDatapoints"] == [0.0, 10.0, 11.0]


def test_metric_math_without_a_value_is_missing_data() -> None:
    definition = math_alarm(RATE, *QUERIES, TreatMissingData="missing")
    verdict = evaluate(definition, published(definition, requests=(20, 20, 20), target=(20, 20, 20)), NOW)
    assert verdict is not None
    assert verdict.state == "INSUFFICIENT_DATA"


def test_metric_math_through_another_expression() -> None:
    errors = {"Id": "errors", "Expression": "FILL(elb, 0) + FILL(target, 0)", "ReturnData": False}
    definition = math_alarm("100 * errors / requests", errors, *QUERIES)
    verdict = evaluate(definition, published(definition, requests=(100, 100, 100), elb=(6, 6, 6)), NOW)
    assert verdict is not None
    assert verdict.state == "ALARM"


# Reasons, worded as in https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html and in
# notifications that CloudWatch has sent


@pytest.mark.parametrize(
    ("definition", "values", "reason"),
    [
        (
            alarm(),
            (1.0, 7.5, 9.0),
            "Threshold Crossed: 2 out of the last 3 datapoints [9.0 (05/01/26 12:29:00), 7.5 (05/01/26 12:28:00)] were greater "
            "than the threshold (5.0) (minimum 2 datapoints for OK -> ALARM transition).",
        ),
        (
            alarm(EvaluationPeriods=1, DatapointsToAlarm=1),
            (9.0,),
            "Threshold Crossed: 1 out of the last 1 datapoints [9.0 (05/01/26 12:29:00)] was greater than the threshold (5.0) "
            "(minimum 1 datapoint for OK -> ALARM transition).",
        ),
        (
            alarm(EvaluationPeriods=5, DatapointsToAlarm=2, ComparisonOperator="LessThanThreshold"),
            (9.0, 6.0, 1.0, 7.0, 8.0),
            "Threshold Crossed: 4 out of the last 5 datapoints [8.0 (05/01/26 12:29:00), 7.0 (05/01/26 12:28:00), 6.0 (05/01/26 "
            "12:26:00), 9.0 (05/01/26 12:25:00)] were not less than the threshold (5.0) (minimum 4 datapoints for ALARM -> OK "
            "transition).",
        ),
        (
            alarm(),
            (),
            "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as "
            "[NonBreaching].",
        ),
        (
            alarm(TreatMissingData="breaching"),
            (None, 9.0, None),
            "Threshold Crossed: 1 datapoint was received for 3 periods and 2 missing datapoints were treated as [Breaching].",
        ),
        (alarm(TreatMissingData="missing"), (), "Insufficient Data: 3 datapoints were unknown."),
    ],
)
def test_reasons(definition: dict[str, Any], values: tuple[float | None, ...], reason: str) -> None:
    assert judged(definition, *values).reason == reason


def test_reason_data() -> None:
    assert json.loads(judged(alarm(), 1.0, 7.5, None, 9.0, samples=4).reason_data) == {
        "version": "1.0",
        "queryDate": "2026-01-05T12:30:12.345+0000",
        "startDate": "2026-01-05T12:26:00.000+0000",
        "statistic": "Average",
        "period": 60,
        "recentDatapoints": [1.0, 7.5, 9.0],
        "threshold": 5.0,
        "evaluatedDatapoints": [
            {"timestamp": "2026-01-05T12:29:00.000+0000", "sampleCount": 4, "value": 9.0},
            {"timestamp": "2026-01-05T12:27:00.000+0000", "sampleCount": 4, "value": 7.5},
            {"timestamp": "2026-01-05T12:26:00.000+0000", "sampleCount": 4, "value": 1.0},
        ],
    }


def test_reason_data_without_data_lists_the_periods() -> None:
    # As in the sample event of https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions-Lambda.html
    data = json.loads(judged(alarm(TreatMissingData="missing")).reason_data)
    assert "startDate" not in data
    assert data["recentDatapoints"] == []
    assert data["evaluatedDatapoints"] == [{"timestamp": f"2026-01-05T12:{minute}:00.000+0000"} for minute in (29, 28, 27)]


@pytest.mark.parametrize(
    ("definition", "named"),
    [
        (alarm(Unit="Percent"), "Unit"),
        (alarm(ThresholdMetricId="ad1"), "ThresholdMetricId"),
        (alarm(EvaluationCriteria={"PromQLCriteria": {}}), "EvaluationCriteria"),
        (alarm(ComparisonOperator="GreaterThanUpperThreshold"), "GreaterThanUpperThreshold"),
        (alarm(TreatMissingData="maybe"), "maybe"),
        (alarm(ExtendedStatistic="tm95"), "tm95"),
        (alarm(Statistic=None), "statistic None"),
        (alarm(Period=10), "10 s"),
        (alarm(Namespace="AWS/DynamoDB"), "AWS/DynamoDB"),
        (math_alarm("SEARCH('x', 'Sum')", *QUERIES), "SEARCH"),
        (math_alarm("requests * 2", query("requests", "RequestCount", Unit="Count")), "Unit"),
        (math_alarm("requests + elb", QUERIES[0], query("elb", "ELB5XX", Period=300)), "several periods"),
        (math_alarm("requests", {**QUERIES[0], "AccountId": "210987654321"}), "AccountId"),
        (math_alarm("requests * 2", {**QUERIES[0], "ReturnData": True}), "exactly one query"),
        (math_alarm("rate + requests", *QUERIES), "uses itself"),
        (math_alarm("[requests, elb]", *QUERIES), "which is not a time series"),
        (math_alarm(RATE, *QUERIES, EvaluateLowSampleCountPercentile="ignore"), "percentile"),
        (math_alarm(RATE, *QUERIES) | {"MetricName": "CPUUtilization"}, "both MetricName and Metrics"),
    ],
)
def test_what_is_not_known_is_refused_by_name(definition: dict[str, Any], named: str) -> None:
    with pytest.raises(AlarmError, match=rf"^cpu-critical .*{named}"):
        evaluate(definition, {}, NOW)
