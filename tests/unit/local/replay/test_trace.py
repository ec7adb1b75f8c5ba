"""Recorded metrics in the forms in which people have them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from local.cloudwatch.alarms import Metric
from local.cloudwatch.loop import MINUTE
from local.replay.trace import TraceError, read, series

BEGIN = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "trace.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-01-05T12:00:00Z", "2026-01-05T12:00:59.9Z", "2026-01-05 12:00", "2026-01-05T14:00:00+02:00", "1767614400", "1767614400.5",
        "1767614400000", "2026/01/05 12:00:00", "20260105T1200Z",
    ],
)  # fmt: skip
def test_a_timestamp_is_iso_8601_or_since_the_epoch(timestamp: str, tmp_path: Path) -> None:
    recorded = read(written(tmp_path, f"timestamp,metric,value\n{timestamp},ecs-cpu,7\n"))
    assert recorded.points == {"ecs-cpu": [(BEGIN, 7.0)]}
    assert (recorded.begin, recorded.end) == (BEGIN, BEGIN + MINUTE)


def test_a_file_of_one_metric_is_given_its_name(tmp_path: Path) -> None:
    recorded = read(written(tmp_path, "Timestamp,Value\n2026-01-05T12:00Z,7\n"), ["ecs-cpu"])
    assert recorded.points == {"ecs-cpu": [(BEGIN, 7.0)]}


def test_rows_come_in_any_order_with_gaps_blank_lines_and_empty_values(tmp_path: Path) -> None:
    text = (
        '\ufefftimestamp,metric,value\r\n2026-01-05T12:03Z,b,3\r\n\r\n"2026-01-05T12:00Z", a ,1e1\r\n2026-01-05T12:01Z,a,\r\n'
    )
    recorded = read(written(tmp_path, text))
    assert recorded.points == {"b": [(BEGIN + 3 * MINUTE, 3.0)], "a": [(BEGIN, 10.0)]}
    assert recorded.places == {"b": 2, "a": 4}


def test_a_value_that_stands_there_twice_counts_once(tmp_path: Path) -> None:
    row = "2026-01-05T12:00Z,requests,7\n"
    assert read(written(tmp_path, f"timestamp,metric,value\n{row}{row}")).points == {"requests": [(BEGIN, 7.0)]}


def test_columns_come_in_any_order_and_others_are_named_and_not_read(tmp_path: Path) -> None:
    recorded = read(written(tmp_path, "unit,value,metric,timestamp,host\nPercent,7,ecs-cpu,2026-01-05T12:00Z,a\n"))
    assert recorded.points == {"ecs-cpu": [(BEGIN, 7.0)]}
    assert recorded.notes == ["Not read: unit, host."]


def test_times_without_an_offset_are_in_the_zone_and_said_to_be(tmp_path: Path) -> None:
    file = written(tmp_path, "timestamp,metric,value\n2026/01/05 13:00:00,ecs-cpu,7\n")
    berlin = read(file, zone=ZoneInfo("Europe/Berlin"))
    assert berlin.points == {"ecs-cpu": [(BEGIN, 7.0)]}
    assert berlin.notes == ["Times without a zone are read as Europe/Berlin; --zone names another."]
    assert read(file).begin == BEGIN + 60 * MINUTE


# As the console exports a graph: columns


def test_a_column_a_metric_is_read_under_its_label(tmp_path: Path) -> None:
    """Nothing documents the lines before the values: the first that tells the columns apart names them."""
    text = (
        "\ufeffFull label,CPUUtilization,CPUUtilization,Unit\r\nLabel,ECS CPU,RDS CPU,Unit\r\n"
        "2026/01/05 12:01:00,2,,Percent\r\n2026/01/05 12:00:00,1,3,Percent\r\n"
    )
    recorded = read(written(tmp_path, text))
    assert recorded.points == {"ECS CPU": [(BEGIN + MINUTE, 2.0), (BEGIN, 1.0)], "RDS CPU": [(BEGIN, 3.0)]}
    assert recorded.places == {"ECS CPU": 3, "RDS CPU": 4}
    assert recorded.notes == ["Not read: Unit.", "Times without a zone are read as UTC; --zone names another."]


# As the AWS CLI prints it


def metric_data(*results: dict[str, Any], **others: Any) -> str:
    times = {"Timestamps": ["2026-01-05T12:01:00+00:00", "2026-01-05T12:00:00+00:00"], "Values": [2.5, 1]}
    return json.dumps(
        {"MetricDataResults": [{**times, "StatusCode": "Complete", **one} for one in results], "Messages": [], **others}
    )


READ = [(BEGIN + MINUTE, 2.5), (BEGIN, 1.0)]


def test_get_metric_data_is_read_by_its_labels(tmp_path: Path) -> None:
    text = metric_data({"Id": "m1", "Label": "ecs-cpu"}, {"Id": "m2", "Label": "rds-cpu"})
    recorded = read(written(tmp_path, text))
    assert recorded.points == {"ecs-cpu": READ, "rds-cpu": READ}
    assert (recorded.notes, recorded.places["rds-cpu"]) == ([], "MetricDataResults[1].Values[0]")


def test_a_label_that_several_metrics_have_gives_way_to_the_ids(tmp_path: Path) -> None:
    text = metric_data({"Id": "m1", "Label": "CPU"}, {"Id": "m2", "Label": "CPU"}, {"Id": "m3", "Label": "Memory"})
    assert [*read(written(tmp_path, text)).points] == ["m1", "m2", "Memory"]


def test_an_answer_that_is_not_whole_is_pointed_out(tmp_path: Path) -> None:
    text = metric_data({"Id": "m1", "Label": "CPU", "StatusCode": "PartialData"}, NextToken="more")
    assert read(written(tmp_path, text)).notes == [
        "CPU is not whole: its StatusCode is PartialData.",
        "The answer goes on: it has a NextToken.",
    ]


def test_get_metric_statistics_is_read_by_its_label_and_statistics(tmp_path: Path) -> None:
    points = [
        {
            "Timestamp": "2026-01-05T12:01:00Z",
            "Average": 2.5,
            "Maximum": 9.0,
            "Unit": "Percent",
            "ExtendedStatistics": {"p95": 8},
        },
        {
            "Timestamp": "2026-01-05T12:00:00Z",
            "Average": 1,
            "Maximum": 9.0,
            "Unit": "Percent",
            "ExtendedStatistics": {"p95": 8},
        },
    ]
    file = written(tmp_path, json.dumps({"Label": "CPUUtilization", "Datapoints": points}))
    assert [*read(file).points] == ["CPUUtilization Average", "CPUUtilization Maximum", "CPUUtilization p95"]
    assert read(file, ["ecs-cpu"]).points["ecs-cpu Average"] == READ


# Names and periods


def test_a_label_can_be_given_a_name(tmp_path: Path) -> None:
    text = metric_data({"Id": "m1", "Label": "CPUUtilization"}, {"Id": "m2", "Label": "rds-cpu"})
    recorded = read(written(tmp_path, text), ["CPUUtilization=HZNavigator Availability Target=api"])
    assert [*recorded.points] == ["HZNavigator Availability Target=api", "rds-cpu"]


@pytest.mark.parametrize(
    ("minutes", "period"),
    [
        ([0, 5, 10], 5), ([0, 5, 30, 35], 5), ([10, 0, 5], 5), ([0, 60, 120], 60), ([0, 5, 11], 1), ([0, 1, 2, 7], 1),
        ([0], 1), ([0, 5], 1),
    ],
)  # fmt: skip
def test_the_period_is_found_by_itself(minutes: list[int], period: int, tmp_path: Path) -> None:
    rows = "".join(f"2026-01-05T{12 + minute // 60}:{minute % 60:02d}Z,ecs-cpu,7\n" for minute in minutes)
    assert read(written(tmp_path, f"timestamp,metric,value\n{rows}")).minutes == period


def test_a_metric_with_a_shorter_period_decides(tmp_path: Path) -> None:
    rows = "".join(
        f"2026-01-05T12:{minute:02d}Z,{metric},7\n" for metric, every in (("a", 5), ("b", 1)) for minute in range(0, 20, every)
    )
    assert read(written(tmp_path, f"timestamp,metric,value\n{rows}")).minutes == 1


GOOD = "timestamp,metric,value\n2026-01-05T12:00Z,ecs-cpu,1\n"


@pytest.mark.parametrize(
    ("text", "metric_name", "sentence"),
    [
        ("", "", r"line 1: should have values, and the file is empty\."),
        ("\ufeff\n\n", "", r"line 1: should have values, and the file is empty\."),
        ("time,value\n", "", r"line 1: should be the header timestamp,value or timestamp,metric,value, or a label for each column .*"),
        ("2026-01-05T12:00Z,1\n", "", r"line 1: should be the header .*"),
        ("timestamp,value\n1767614400,1\n", "", r"line 1: --metric should name the metric\."),
        ("timestamp,metric,value\n", "", r"line 1: should have values, and the file ends without any\."),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu\n", "", r"line 3: should have 3 columns \(timestamp,metric,value\) and has 2\."),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu,1,2\n", "", r"line 3: should have 3 columns .* has 4\."),
        (GOOD + "yesterday,ecs-cpu,1\n", "", r"line 3: 'yesterday' should be a time such as 2026-01-31T12:30:00Z, or .*"),
        (GOOD + "2026-13-05T12:01Z,ecs-cpu,1\n", "", r"line 3: '2026-13-05T12:01Z' should be a time .*"),
        (GOOD + "nan,ecs-cpu,1\n", "", r"line 3: 'nan' should be a time .*"),
        (GOOD + "1e400,ecs-cpu,1\n", "", r"line 3: '1e400' should be a time .*"),
        (GOOD + "0001-01-01T00:00+14:00,ecs-cpu,1\n", "", r"line 3: .* should be a time .*"),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu,high\n", "", r"line 3: 'high' should be a number\."),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu,inf\n", "", r"line 3: 'inf' should be a number\."),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu,1_0\n", "", r"line 3: '1_0' should be a number\."),
        (GOOD + '2026-01-05T12:01Z,ecs-cpu,"1,000"\n', "", r"line 3: '1,000' should be a number\."),
        (GOOD + "1_767_614_460,ecs-cpu,1\n", "", r"line 3: '1_767_614_460' should be a time .*"),
        (GOOD + "1767,ecs-cpu,1\n", "", r"line 3: '1767' should be a time .*"),
        (GOOD + "01/05/2026 12:01,ecs-cpu,1\n", "", r"line 3: '01/05/2026 12:01' should be a time .*"),
        (GOOD + "2026-01-05T12:00Z,ecs-cpu,2\n", "", r"line 3: ecs-cpu has two values at 2026-01-05T12:00Z, 1 and 2\."),
        (GOOD + "2026-01-05T13:00+01:00,ecs-cpu,2\n", "", r"line 3: ecs-cpu has two values at 2026-01-05T13:00\+01:00, 1 and 2\."),
        (GOOD + "2026-01-05T12:00Z,ecs-memory,2\n", "ecs-cpu", r"line 1: --metric ecs-cpu should be LABEL=NAME, with a label of the file: ecs-cpu, ecs-memory\."),
        (GOOD + "2026-01-05T12:00Z,ecs-memory,2\n", "ecs-memory=ecs-cpu", r"line 1: --metric gives two metrics the same name\."),
        ("Label,CPU\n2026/01/05 12:00:00,1\n2026/01/05 12:01:00\n", "", r"line 3: should have 2 columns \(Label,CPU\) and has 1\."),
        ("Label,CPU\n2026/01/05 12:00:00,1\n2026/01/05 12:01:00,high\n", "", r"line 3: 'high' should be a number\."),
        ("Label,CPU\n2026/13/05 12:00:00,1\n", "", r"line 2: '2026/13/05 12:00:00' should be a time .*"),
        ("Label,CPU,CPU\n2026/01/05 12:00:00,1,2\n", "", r"line 1: should be the header .*"),
        ('{"MetricDataResults": [}', "", r"line 1: is no JSON: Expecting value\."),
        ('{\n"Datapoints": [1_0]}', "", r"line 2: is no JSON: .*"),
        ('{"Metrics": []}', "", r"line 1: should be what `aws cloudwatch` answers, with MetricDataResults or Datapoints\."),
        ("[1]", "", r"line 1: should be what `aws cloudwatch` answers, .*"),
        ('{"MetricDataResults": [{"Id": "m1"}]}', "", r"line 1: is not as `aws cloudwatch` prints it: KeyError\('Label'\)\."),
        ('{"MetricDataResults": []}', "", r"line 1: should have values, and the file ends without any\."),
        ('{"MetricDataResults": [{"Id": "m", "Label": "CPU", "Timestamps": ["2026-01-05T12:00:00Z"], "Values": [NaN]}]}', "",
         r"MetricDataResults\[0\]\.Values\[0\]: 'NaN' should be a number\."),
        ('{"Label": "CPU", "Datapoints": [{"Timestamp": "noon", "Average": 1}]}', "", r"Datapoints\[0\]: 'noon' should be a time .*"),
        (GOOD + "2206-01-05T12:01Z,ecs-cpu,1\n", "", r"line 3: 2206-01-05T12:01Z is more than 92 days from another time, .*"),
        (GOOD + '2026-01-05T12:01Z,"ecs-cpu,1\n', "", r"line 3: unexpected end of data\."),
        (GOOD.encode() + b"2026-01-05T12:01Z,\xff,1\n", "", r"line 3: should be text in UTF-8\."),
    ],
)  # fmt: skip
def test_a_bad_file_gets_one_sentence_with_the_line(text: str | bytes, metric_name: str, sentence: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    with pytest.raises(TraceError, match=rf"^{file}, {sentence}$"):
        read(file, [metric_name] if metric_name else [])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"absent\.csv: No such file or directory\."):
        read(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("statistic", "value"),
    [("Average", 4.0), ("Sum", 12.0), ("Minimum", 1.0), ("Maximum", 9.0), ("SampleCount", 12.0), ("p50", 2.0), ("p95", 9.0)],
)
def test_values_of_one_minute_are_combined_by_the_statistic(statistic: str, value: float) -> None:
    points = [(BEGIN, 1.0), (BEGIN, 9.0), (BEGIN, 2.0)]
    assert series(points, Metric("AWS/ECS", "CPU", frozenset(), statistic, 60)) == {BEGIN: value}


@pytest.mark.parametrize(("statistic", "each"), [("Average", 60.0), ("Maximum", 60.0), ("Sum", 20.0)])
def test_a_value_can_stand_for_several_minutes(statistic: str, each: float) -> None:
    spread = series([(BEGIN, 60.0)], Metric("AWS/ECS", "CPU", frozenset(), statistic, 60), minutes=3)
    assert spread == dict.fromkeys((BEGIN, BEGIN + MINUTE, BEGIN + 2 * MINUTE), each)


def test_a_longer_period_starts_with_every_minute() -> None:
    points = [(BEGIN, 1.0), (BEGIN + MINUTE, 2.0)]
    by_start = series(points, Metric("AWS/ECS", "CPU", frozenset(), "Sum", 120))
    assert by_start == {BEGIN - MINUTE: 1.0, BEGIN: 3.0, BEGIN + MINUTE: 2.0}
