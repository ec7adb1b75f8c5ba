"""A drill of what was recorded: the metrics are as in a trace, and the alarms and the functions react to them."""

from collections.abc import Callable
from pathlib import Path

from local.drills.drill import FAULT, Drill
from local.drills.metrics import Metrics
from local.drills.recorded import Recorded
from local.drills.simulation import CALM_MINUTES, MINUTE
from local.replay.trace import Trace


def of_trace(trace: Trace, file: Path) -> Callable[[Drill], None]:
    """The drill of a trace. It breaks nothing: the service runs well behind the metrics, and the drill says what happens."""

    def drilled(drill: Drill) -> None:
        simulation = drill.simulation
        recorded = Recorded(simulation.cloud, trace)
        minutes = (trace.end - trace.begin) // MINUTE
        drill.note(f"the metrics of {file.name} begin, {minutes} minutes from {trace.begin:%Y-%m-%d %H:%M} UTC", mark=FAULT)
        simulation.metrics = recorded
        simulation.paused = {"health-check"} if recorded.has_probes else set()
        try:
            drill.minutes(minutes)
        finally:
            simulation.metrics, simulation.paused = Metrics(simulation.cloud), set()
        drill.note("the metrics end, and all is quiet", style="cyan")
        if drill.minutes(15, simulation.alarms_are_clear):
            drill.note("all alarms are clear", style="green", mark="clear")
        drill.minutes(CALM_MINUTES, lambda: drill.incident.closed)
        drill.check("every alarm could be judged", not simulation.alarms.refused)
        drill.check("IAM denied nothing", not drill.denied)
        drill.measure("begin -> all alarms clear", FAULT, "clear")

    return drilled
