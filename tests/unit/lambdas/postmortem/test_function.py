"""The function: each file once, the impact once for each closing, whatever runs twice or dies."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lambdas.common.events import EventError
from lambdas.common.record.events import AlarmChanged, Closed, Impact, Reopened
from local.replay.trace import read
from tests.environments import PRODUCTION
from tests.unit.lambdas.world import NOON, Crash, World, client, records, refusal

NAME = "2026-03-02-1"
FILES = ["post-mortem.md", "post-mortem.html", "incident.json", "trace.csv"]
BUCKET = PRODUCTION.incidents_bucket
ALARM = PRODUCTION.alarm("rds-cpu", "critical")
EVENT = {"incident": NAME}


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def changed(minutes: float, state: Any) -> AlarmChanged:
    identifier = f"alarm {state} {minutes}"
    return AlarmChanged(id=identifier, at=at(minutes), alarm=ALARM, state=state, title="CPU", severity="P2", calls=True)


@pytest.fixture
def aws(aws: World) -> Iterator[World]:
    """With an incident of the database that has closed, and a bucket."""
    client("s3").create_bucket(Bucket=BUCKET)
    records().add(NAME, [changed(0, "ALARM"), changed(5, "OK"), Closed(id="closed", at=at(15))])
    aws.watch(ALARM)
    aws.series = busy
    return aws


def busy(query: Mapping[str, Any]) -> Mapping[datetime, float]:
    """A database at 50 %, in the outage at 95 %."""
    if query["MetricStat"]["Metric"]["MetricName"] != "CPUUtilization":
        return {}
    return {at(minute): 95.0 if 0 <= minute < 5 else 50.0 for minute in range(-60, 15)}


def files() -> dict[str, str]:
    """What is in the bucket."""
    s3 = client("s3")
    found = s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())
    return {one["Key"]: s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read().decode() for one in found}


def impacts() -> list[Impact]:
    return [event for event in records().read(NAME).events if isinstance(event, Impact)]


def test_it_writes_four_files_and_the_impact(aws: World) -> None:
    answer = aws.post_mortem(EVENT)
    assert answer == {"incident": NAME, "written": FILES, "summary": f"Written to s3://{BUCKET}/{NAME}."}
    assert sorted(files()) == sorted(f"{NAME}/{file}" for file in FILES)
    (impact,) = impacts()
    assert (impact.at, impact.minutes) == (at(15), 5)
    assert json.loads(files()[f"{NAME}/incident.json"])["impact"]["minutes"] == 5
    assert "RDS CPU: the warning line: over 75 %" not in files()[f"{NAME}/post-mortem.md"]  # it would not have been earlier
    assert "RDS CPU: the critical line, one minute of it" in files()[f"{NAME}/post-mortem.md"]


def test_what_was_measured_is_a_trace(aws: World, tmp_path: Path) -> None:
    aws.post_mortem(EVENT)
    file = tmp_path / "trace.csv"
    file.write_text(files()[f"{NAME}/trace.csv"])
    points = dict(read(file).points["AWS/RDS CPUUtilization"])
    assert points == {at(minute): 95.0 if 0 <= minute < 5 else 50.0 for minute in range(-30, 15)}


def test_a_second_run_changes_nothing(aws: World) -> None:
    aws.post_mortem(EVENT)
    before = files()
    answer = aws.post_mortem(EVENT)
    assert (answer["written"], answer["summary"]) == ([], f"What is in s3://{BUCKET}/{NAME} stays as it is.")
    assert files() == before
    assert len(impacts()) == 1


def test_what_people_have_edited_stays(aws: World) -> None:
    aws.post_mortem(EVENT)
    client("s3").put_object(Bucket=BUCKET, Key=f"{NAME}/post-mortem.md", Body=b"edited")
    client("s3").delete_object(Bucket=BUCKET, Key=f"{NAME}/trace.csv")
    assert aws.post_mortem(EVENT)["written"] == ["trace.csv"]
    assert files()[f"{NAME}/post-mortem.md"] == "edited"


def test_one_that_came_back_and_closed_again_has_another_draft_beside_the_first(aws: World) -> None:
    aws.post_mortem(EVENT)
    first = files()
    back = Reopened(id="reopened", at=at(20), alarm=ALARM)
    records().add(NAME, [back, changed(20, "ALARM"), changed(30, "OK"), Closed(id="closed again", at=at(40))])
    assert aws.post_mortem(EVENT)["summary"] == f"Written to s3://{BUCKET}/{NAME}/2."
    assert {key: text for key, text in files().items() if key in first} == first
    assert [impact.minutes for impact in impacts()] == [5, 30]


def test_a_run_that_died_anywhere_is_ended_by_the_next(aws: World) -> None:
    crashes = 0
    while True:
        aws.crash_at = crashes
        try:
            aws.post_mortem(EVENT)
        except Crash:
            crashes += 1
            aws.crash_at = None
            aws.post_mortem(EVENT)
            assert sorted(files()) == sorted(f"{NAME}/{file}" for file in FILES)
            assert len(impacts()) == 1
            for key in files():
                client("s3").delete_object(Bucket=BUCKET, Key=key)
        else:
            break
    assert crashes >= 2 * 9


def test_one_that_goes_on_is_not_written(aws: World) -> None:
    records().add("2026-03-02-2", [changed(60, "ALARM")])
    answers = [aws.post_mortem({"incident": name}) for name in ("2026-03-02-2", "2026-03-02-3")]
    assert [answer["summary"] for answer in answers] == ["It goes on.", "There is no such incident."]
    assert files() == {}


@pytest.mark.parametrize("event", [{}, {"incident": 1}, {"incident": "../2026-03-02-1"}, None, []])
def test_an_event_that_names_no_incident_is_refused(aws: World, event: Any) -> None:
    with pytest.raises(EventError, match="should name an incident"):
        aws.post_mortem(event)


@pytest.mark.parametrize("call", ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "s3:PutObject", "dynamodb:Query"])
def test_what_aws_refuses_is_raised_and_the_next_try_writes(aws: World, call: str) -> None:
    aws.refusals[call] = refusal("InternalFailure")
    with pytest.raises(type(aws.refusals[call])):
        aws.post_mortem(EVENT)
    aws.refusals.clear()
    assert aws.post_mortem(EVENT)["written"] == FILES
