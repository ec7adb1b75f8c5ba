"""Recorded metrics as CSV files have them."""

from datetime import UTC, datetime
from pathlib import Path

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
        "1767614400000",
    ],
)  # fmt: skip
def test_a_timestamp_is_iso_8601_or_since_the_epoch(timestamp: str, tmp_path: Path) -> None:
    recorded = read(written(tmp_path, f"timestamp,metric,value\n{timestamp},ecs-cpu,7\n"))
    assert recorded.points == {"ecs-cpu": [(BEGIN, 7.0)]}
    assert (recorded.begin, recorded.end) == (BEGIN, BEGIN + MINUTE)


def test_a_file_of_one_metric_is_given_its_name(tmp_path: Path) -> None:
    recorded = read(written(tmp_path, "Timestamp,Value\n2026-01-05T12:00Z,7\n"), "ecs-cpu")
    assert recorded.points == {"ecs-cpu": [(BEGIN, 7.0)]}


def test_rows_come_in_any_order_with_gaps_blank_lines_and_empty_values(tmp_path: Path) -> None:
    text = (
        '\ufefftimestamp,metric,value\r\n2026-01-05T12:03Z,b,3\r\n\r\n"2026-01-05T12:00Z", a ,1e1\r\n2026-01-05T12:01Z,a,\r\n'
    )
    recorded = read(written(tmp_path, text))
    assert recorded.points == {"b": [(BEGIN + 3 * MINUTE, 3.0)], "a": [(BEGIN, 10.0)]}
    assert recorded.lines == {"b": 2, "a": 4}


GOOD = "timestamp,metric,value\n2026-01-05T12:00Z,ecs-cpu,1\n"


@pytest.mark.parametrize(
    ("text", "metric_name", "sentence"),
    [
        ("", "", r"line 1: should be the header timestamp,value or timestamp,metric,value\."),
        ("time,value\n", "", r"line 1: should be the header .*"),
        ("timestamp,value\n1767614400,1\n", "", r"line 1: --metric should name the metric\."),
        (GOOD, "ecs-cpu", r"line 1: has a column metric, --metric is for a file without\."),
        ("timestamp,metric,value\n", "", r"line 1: ends without any value\."),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu\n", "", r"line 3: should have 3 columns \(timestamp,metric,value\) and has 2\."),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu,1,2\n", "", r"line 3: should have 3 columns .* has 4\."),
        (GOOD + "yesterday,ecs-cpu,1\n", "", r"line 3: 'yesterday' should be a time such as 2026-01-31T12:30:00Z, or .*"),
        (GOOD + "2026-13-05T12:01Z,ecs-cpu,1\n", "", r"line 3: '2026-13-05T12:01Z' should be a time .*"),
        (GOOD + "nan,ecs-cpu,1\n", "", r"line 3: 'nan' should be a time .*"),
        (GOOD + "1e400,ecs-cpu,1\n", "", r"line 3: '1e400' should be a time .*"),
        (GOOD + "0001-01-01T00:00+14:00,ecs-cpu,1\n", "", r"line 3: .* should be a time .*"),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu,high\n", "", r"line 3: 'high' should be a number\."),
        (GOOD + "2026-01-05T12:01Z,ecs-cpu,inf\n", "", r"line 3: 'inf' should be a number\."),
        (GOOD + "2206-01-05T12:01Z,ecs-cpu,1\n", "", r"line 3: 2206-01-05T12:01Z is more than 92 days from another line, .*"),
        (GOOD + '2026-01-05T12:01Z,"ecs-cpu,1\n', "", r"line 3: unexpected end of data\."),
        (GOOD.encode() + b"2026-01-05T12:01Z,\xff,1\n", "", r"line 3: should be text in UTF-8\."),
    ],
)  # fmt: skip
def test_a_bad_file_gets_one_sentence_with_the_line(text: str | bytes, metric_name: str, sentence: str, tmp_path: Path) -> None:
    file = written(tmp_path, text)
    with pytest.raises(TraceError, match=rf"^{file}, {sentence}$"):
        read(file, metric_name)


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
