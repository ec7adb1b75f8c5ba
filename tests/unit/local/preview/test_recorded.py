"""A recording, under the names of the environment that it is drawn for."""

from pathlib import Path

import pytest

from local.preview.recorded import RECORDING, load_recording
from local.replay.trace import TraceError
from stacks.environment import Environment
from tests.environments import PRODUCTION, STAGING, VARIANTS

ENVIRONMENTS = (PRODUCTION, STAGING, *VARIANTS.values())


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda environment: environment.prefix)
def test_metrics_log_events_and_marks_have_the_environment_s_names(environment: Environment) -> None:
    recording = load_recording(RECORDING, environment)
    namespace = environment.application.metrics_namespace
    assert f"{namespace} Availability Target=api" in recording.trace.points
    for node in environment.cache_nodes:
        assert f"AWS/ElastiCache CurrConnections CacheClusterId={node}" in recording.trace.points
    assert environment.service_impaired_alarm in recording.marks
    assert recording.logs.keys() == {
        environment.backend_log_group,
        environment.database_log_group,
        environment.events_log_group,
        environment.function_log_group("rollback"),
        environment.function_log_group("notify"),
        environment.function_log_group("releases"),
    }
    (begun, *_) = [one["@message"] for one in recording.logs[environment.events_log_group] if "IN_PROGRESS" in one["@message"]]
    assert environment.arn("ecs", f"service/{environment.cluster}/{environment.service}") in begun


def test_a_name_within_a_new_name_is_not_replaced_again() -> None:
    twice = PRODUCTION.model_copy(update={"name": "production-2"})
    recording = load_recording(RECORDING, twice)
    assert "/aws/ecs/hz-navigator-production-2" in recording.logs
    assert "AWS/ElastiCache Evictions CacheClusterId=hz-navigator-production-2-redis-001" in recording.trace.points


def test_a_trace_alone_has_the_names_of_the_kept_recording(tmp_path: Path) -> None:
    file = tmp_path / "cache.csv"
    name = "AWS/ElastiCache Evictions CacheClusterId=hz-navigator-production-redis-001"
    file.write_text(f"timestamp,metric,value\n2026-01-05T10:00:00Z,{name},0\n")
    recording = load_recording(file, STAGING)
    assert list(recording.trace.points) == ["AWS/ElastiCache Evictions CacheClusterId=hz-navigator-staging-redis-001"]
    assert (recording.logs, recording.marks.keys()) == ({}, {"begin"})


def test_a_bad_trace_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"absent\.csv: No such file or directory\."):
        load_recording(tmp_path / "absent.csv", PRODUCTION)
