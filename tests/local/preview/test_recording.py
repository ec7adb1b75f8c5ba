"""A recording has what the deployed dashboard shows: the metrics, the log events, and what happened when."""

from contextlib import closing
from pathlib import Path

from local.cloud import Cloud
from local.cloudwatch.alarms import Metric
from local.cloudwatch.loop import MINUTE
from local.drills.simulation import QUIET_MINUTES, Simulation
from local.preview.recorded import load_recording
from local.preview.recording import record


def test_a_recording_is_read_as_it_was_written(cloud: Cloud, tmp_path: Path) -> None:
    environment = cloud.environment
    with closing(Simulation(cloud)) as simulation:
        marks = {"begin": cloud.now()}
        simulation.minute()
        record(simulation, marks, marks["begin"] - QUIET_MINUTES * MINUTE, tmp_path / "drill.csv")

    recording = load_recording(tmp_path / "drill.csv", environment)
    balancer = frozenset({("LoadBalancer", "*")})
    assert sum(recording.read(Metric("AWS/ApplicationELB", "RequestCount", balancer, "Sum", 60)).values()) == 60 * 8
    for node in environment.cache_nodes:  # beside the table
        metric = Metric("AWS/ElastiCache", "CurrConnections", frozenset({("CacheClusterId", node)}), "Maximum", 60)
        assert set(recording.read(metric).values()) == {24.0}
    assert recording.logs.keys() == {
        environment.backend_log_group,
        environment.database_log_group,
        environment.events_log_group,
        environment.function_log_group("rollback"),
        environment.function_log_group("releases"),
        environment.function_log_group("notify"),
    }
    assert recording.marks.keys() == {"begin"}
    assert recording.drilled[-1] - recording.marks["begin"] < MINUTE
