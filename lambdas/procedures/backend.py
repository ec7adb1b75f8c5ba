"""The backend's procedures (runbook 1, 3.3, 4.1 and 5.1), step by step."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lambdas.common.clock import Clock
from lambdas.common.parallel import AtOnce
from lambdas.health_check.probes import judge_api, probe
from lambdas.procedures.clients import Clients
from lambdas.procedures.run import Answer, RefusedError, Run, Steps, VerifyError, waiting
from lambdas.procedures.runs import Runs
from lambdas.procedures.settings import ProceduresSettings
from lambdas.rollback.changes import Changes
from lambdas.rollback.evidence import Reader, Service


class Backend:
    """The family in one environment."""

    def __init__(self, settings: ProceduresSettings, clients: Clients, clock: Clock, runs: Runs, at_once: AtOnce) -> None:
        self._settings = settings
        self._clock = clock
        self._runs = runs
        self._ecs = clients.ecs
        self._reader = Reader(settings, clients, Changes(clients.incidents), at_once)

    def steps(self) -> Steps:
        """The steps of each procedure by their names in the documents."""
        return {
            "backend-restart-task": {
                "Plan": self._plan_restart,
                "Restart": self._restart,
                "Settled": self._restarted,
                "Verify": self._verify,
            },
        }

    # Restart one task

    def _plan_restart(self, run: Run) -> Answer:
        task, others = self._task(run)
        if _healthy(task) and not any(map(_healthy, others)):
            raise RefusedError(
                f"Task {run.inputs['Task']} is the last healthy one: nobody would answer until another has started."
                " Use backend-deploy, which starts new tasks first."
            )
        return {"said": f"Task {run.inputs['Task']} would be stopped; {len(others)} others go on, and ECS starts another."}

    def _restart(self, run: Run) -> Answer:
        task, _ = self._task(run)
        if task["desiredStatus"] == "STOPPED":
            return {"said": f"Task {run.inputs['Task']} is being stopped already."}
        self._plan_restart(run)  # a task may have failed since
        self._ecs.stop_task(
            cluster=self._settings.cluster,
            task=run.inputs["Task"],
            reason=f"{run.procedure}, started by {run.started_by}: {run.reason}"[:255],
        )
        return {"said": f"Task {run.inputs['Task']} is told to stop."}

    def _restarted(self, run: Run) -> Answer:
        found = self._described([run.inputs["Task"]])
        if found and found[0]["lastStatus"] != "STOPPED":
            return waiting(f"Task {run.inputs['Task']} is {found[0]['lastStatus']}.")
        service = self._reader.service()
        if service.running < service.desired:
            return waiting(f"{_counts(service)} run.")
        return {"said": f"Task {run.inputs['Task']} has stopped, and {_counts(service)} run."}

    def _task(self, run: Run) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
        """The task that a run is about, and the service's other ones; RefusedError when it is none of the service's."""
        name, service = run.inputs["Task"], self._settings.service
        found = self._described([name])
        if not found or found[0].get("group") != f"service:{service}":
            running = ", ".join(one.rpartition("/")[2] for one in self._running()) or "none"
            raise RefusedError(f"Task {name} is none of {service}: its running tasks are {running}.")
        return found[0], [one for one in self._described(self._running()) if one["taskArn"] != found[0]["taskArn"]]

    def _running(self) -> Sequence[str]:
        return self._ecs.list_tasks(cluster=self._settings.cluster, serviceName=self._settings.service)["taskArns"]

    def _described(self, tasks: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        if not tasks:
            return []
        answer: Any = self._ecs.describe_tasks(cluster=self._settings.cluster, tasks=tasks)
        found: Sequence[Mapping[str, Any]] = answer["tasks"]
        return found

    # What they share

    def _verify(self, _: Run) -> Answer:
        """Whether the API answers as it should, and its database with it."""
        settings = self._settings
        judge = partial(judge_api, settings.health_report)
        seen = probe("api", settings.api_url + settings.health_check_path, judge)
        if seen.problem:
            raise VerifyError(f"{seen.problem}.")
        return {"said": f"The API is healthy, its database {seen.database}; it answered in {seen.latency:.0f} ms."}


def _healthy(task: Mapping[str, Any]) -> bool:
    """Whether a task runs, and its health check does not say otherwise."""
    return (task["lastStatus"], task["desiredStatus"]) == ("RUNNING", "RUNNING") and task.get("healthStatus") != "UNHEALTHY"


def _counts(service: Service) -> str:
    return f"{service.running} of {service.desired} tasks"
