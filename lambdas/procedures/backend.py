"""The backend's procedures (runbook 1, 3.3, 4.1 and 5.1), step by step."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from lambdas.common.clock import Clock
from lambdas.common.ecs import ROLLING_BACK, RUNNING, ServiceReader, TaskDefinition, tag
from lambdas.common.https import Answer as Page
from lambdas.common.maintenance import Maintenances
from lambdas.common.parallel import AtOnce
from lambdas.health_check.probes import Probe, Verdict, judge_api, judge_frontend, probe
from lambdas.procedures.clients import Clients
from lambdas.procedures.run import Answer, RefusedError, Run, Steps, UnreadError, VerifyError, waiting
from lambdas.procedures.runs import Runs
from lambdas.procedures.settings import ProceduresSettings
from lambdas.rollback.changes import Changes
from lambdas.rollback.decisions import Change, Deployment, Evidence
from lambdas.rollback.evidence import Reader, Service
from runbook.rules import ROLLOUT

KNOWN_GOOD = "known-good"
"""The revision that automation would go back to."""
_OF_THE_SERVICE = ("service", "history", "changes")
_OF_ITS_DEPENDENCIES = ("database", "cache", "alarms")
_EVENTS = 3


class Backend:
    """The family in one environment."""

    def __init__(self, settings: ProceduresSettings, clients: Clients, clock: Clock, runs: Runs, at_once: AtOnce) -> None:
        self._settings = settings
        self._clock = clock
        self._runs = runs
        self._ecs = clients.ecs
        self._ecr = clients.ecr
        self._autoscaling = clients.autoscaling
        self._announced = Maintenances(clients.incidents)
        self._reader = Reader(settings, clients, Changes(clients.incidents), at_once)
        self._service = ServiceReader(
            clients.ecs, cluster=settings.cluster, service=settings.service, container=settings.container
        )

    def steps(self) -> Steps:
        """The steps of each procedure by their names in the documents."""
        return {
            "backend-rollback": {
                "Plan": self._plan_rollback,
                "RollBack": self._roll_back,
                "Settled": self._rolled_back,
                "Verify": self.verify,
            },
            "backend-deploy": {
                "Plan": self._plan_deploy,
                "Deploy": self._deploy,
                "Settled": self._deployed,
                "Verify": self.verify,
            },
            "backend-scale": {
                "Plan": self._plan_scale,
                "Scale": self._scale,
                "Settled": self._scaled,
                "Verify": self.verify,
            },
            "backend-restart-task": {
                "Plan": self._plan_restart,
                "Restart": self._restart,
                "Settled": self._restarted,
                "Verify": self.verify,
            },
            "service-status": {"Plan": self._plan_status, "Look": self._status},
            "health-check": {"Plan": self._plan_health, "Look": self._health},
        }

    # Roll back

    def _plan_rollback(self, run: Run) -> Answer:
        evidence = self._read()
        _check_free(evidence, release_too=False)
        target = self._target(run, evidence)
        self._runs.keep(run, target=target.arn)
        change = Change("update", "", evidence.task_definition, target.arn, target.image, evidence.at)
        also = ", ".join(evidence.differences(change))
        words = (
            f"The service would go from {_short(evidence.task_definition)} to {_short(target.arn)} ({target.image}).",
            f"Deployment {evidence.last.id}, which is under way, would end." if _release(evidence) and evidence.last else "",
            f"That would also take back {also}: the next release or `cdk deploy` brings it back." if also else "",
            self._impaired(evidence.at),
        )
        return {"said": " ".join(filter(None, words))}

    def _roll_back(self, run: Run) -> Answer:
        target, evidence = self._runs.read(run).kept["target"], self._read()
        if evidence.task_definition == target:
            return {"said": f"The service is set to {_short(target)}."}
        _check_free(evidence, release_too=False)
        self._ecs.update_service(cluster=self._settings.cluster, service=self._settings.service, taskDefinition=target)
        return {"said": f"The service is going from {_short(evidence.task_definition)} to {_short(target)}."}

    def _rolled_back(self, run: Run) -> Answer:
        target, last = self._runs.read(run).kept["target"], self._last()
        if last.task_definition != target:
            raise VerifyError(f"Somebody deployed {_short(last.task_definition)} meanwhile (deployment {last.id}).")
        return self._ended(last)

    def _target(self, run: Run, evidence: Evidence) -> TaskDefinition:
        """Where to go back to: what automation would choose by the same rules, or the revision that a run names, once checked;
        RefusedError when there is none."""
        named = run.inputs["Revision"]
        if named == KNOWN_GOOD:
            target = evidence.known_good
            if target is None:
                raise RefusedError("No revision is known good: name one with Revision, which is checked before it is used.")
        else:
            target = self._service.task_definition(f"{evidence.task_definition.rpartition(':')[0]}:{named}")
            if target.status != "ACTIVE":
                raise RefusedError(f"{_short(target.arn)} is {target.status}: ECS runs none but an ACTIVE one.")
            if target.arn == evidence.task_definition:
                raise RefusedError(f"The service is set to {_short(target.arn)} already: backend-deploy starts it anew.")
            if target.arn in evidence.failed:
                raise RefusedError(f"A deployment of {_short(target.arn)} failed: name another, or {KNOWN_GOOD}.")
        self._check_image(target)
        return target

    def _check_image(self, target: TaskDefinition) -> None:
        """RefusedError when the repository has the image no longer. One of another repository is not looked for."""
        name, _, digest = target.image.rpartition("/")[2].partition("@")
        repository, _, tagged = name.partition(":")
        if repository != self._settings.repository:
            return
        wanted = {"imageDigest": digest} if digest else {"imageTag": tagged or "latest"}
        try:
            self._ecr.describe_images(repositoryName=repository, imageIds=[wanted])
        except self._ecr.exceptions.ImageNotFoundException:
            raise RefusedError(
                f"The image of {_short(target.arn)}, {target.image}, is not in its repository any more."
            ) from None

    def _impaired(self, at: datetime) -> str:
        """What else explains an impaired service, in words; as far as it can be read, since a person decides."""
        evidence = self._reader.read(at, _OF_ITS_DEPENDENCIES)
        if evidence.missing or not evidence.impaired:
            return ""
        return f"A rollback may not help: {', '.join(one.words for one in evidence.impaired)}."

    # Force a new deployment

    def _plan_deploy(self, run: Run) -> Answer:
        evidence = self._read()
        _check_free(evidence, release_too=True)
        self._runs.keep(run, newest=evidence.last.arn if evidence.last else "")
        return {
            "said": f"{_short(evidence.task_definition)} would be deployed anew: {evidence.desired} new tasks start, then the"
            " old ones stop."
        }

    def _deploy(self, run: Run) -> Answer:
        before, evidence = self._runs.read(run).kept["newest"], self._read()
        if evidence.last and evidence.last.arn != before:
            return {"said": f"Deployment {evidence.last.id} has begun."}
        _check_free(evidence, release_too=True)
        self._ecs.update_service(cluster=self._settings.cluster, service=self._settings.service, forceNewDeployment=True)
        return {"said": f"A new deployment of {_short(evidence.task_definition)} is asked for."}

    def _deployed(self, run: Run) -> Answer:
        last = self._last()
        if last.arn == self._runs.read(run).kept["newest"]:
            return waiting("ECS shows no new deployment yet.")
        return self._ended(last)

    # Scale

    def _plan_scale(self, run: Run) -> Answer:
        evidence, wanted = self._read(), int(run.inputs["Tasks"])
        _check_free(evidence, release_too=False)
        least, most = self._bounds()
        most_served, settings = self._settings.most_tasks, self._settings
        if wanted > most_served:
            raise RefusedError(
                f"{wanted} tasks may open {wanted * ROLLOUT * settings.pool_size} connections while a deployment runs: the"
                f" database serves those of {most_served} tasks."
            )
        if not least <= wanted <= most:
            raise RefusedError(
                f"Autoscaling keeps the service between {least} and {most} tasks, and {wanted} is outside: min_tasks and"
                f" max_tasks in config/{settings.environment}.toml say so."
            )
        return {
            "said": f"The service would go from {evidence.desired} to {wanted} tasks. Autoscaling keeps it between {least} and"
            f" {most}, and changes the number again as soon as the load asks for it: for one that stays, change min_tasks or"
            f" max_tasks in config/{settings.environment}.toml, and deploy."
        }

    def _scale(self, run: Run) -> Answer:
        evidence, wanted = self._read(), int(run.inputs["Tasks"])
        if evidence.desired == wanted:
            return {"said": f"The service is set to {wanted} tasks."}
        self._plan_scale(run)  # something may have changed since
        self._ecs.update_service(cluster=self._settings.cluster, service=self._settings.service, desiredCount=wanted)
        return {"said": f"The service goes from {evidence.desired} to {wanted} tasks."}

    def _scaled(self, run: Run) -> Answer:
        service, wanted = self._reader.service(), run.inputs["Tasks"]
        if service.running != service.desired:
            return waiting(f"{_counts(service)} run.")
        by = "" if str(service.desired) == wanted else f" Autoscaling has set it to {service.desired} since."
        return {"said": f"{_counts(service)} run.{by}"}

    def _bounds(self) -> tuple[int, int]:
        """The fewest and the most tasks that autoscaling keeps; RefusedError when it does not scale the service."""
        settings = self._settings
        found = self._autoscaling.describe_scalable_targets(
            ServiceNamespace="ecs",
            ResourceIds=[f"service/{settings.cluster}/{settings.service}"],
            ScalableDimension="ecs:service:DesiredCount",
        )["ScalableTargets"]
        if not found:
            raise RefusedError(f"Autoscaling does not know {settings.service}: deploy its stack again.")
        return int(found[0]["MinCapacity"]), int(found[0]["MaxCapacity"])

    # Restart one task

    def _plan_restart(self, run: Run) -> Answer:
        _check_free(self._read(), release_too=True)
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
            return {"said": f"Task {run.inputs['Task']} is being stopped."}
        self._plan_restart(run)  # another task may have failed since
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
        found, running = self._described([name]), self._running()
        if not found or found[0].get("group") != f"service:{service}":
            known = ", ".join(one.rpartition("/")[2] for one in running) or "none"
            raise RefusedError(f"Task {name} is none of {service}: its running tasks are {known}.")
        return found[0], [one for one in self._described(running) if one["taskArn"] != found[0]["taskArn"]]

    def _running(self) -> Sequence[str]:
        return self._ecs.list_tasks(cluster=self._settings.cluster, serviceName=self._settings.service)["taskArns"]

    def _described(self, tasks: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        if not tasks:
            return []
        answer: Any = self._ecs.describe_tasks(cluster=self._settings.cluster, tasks=tasks)
        found: Sequence[Mapping[str, Any]] = answer["tasks"]
        return found

    # Status and health

    def _plan_status(self, _: Run) -> Answer:
        return {"said": f"Reads {self._settings.service}, its tasks, deployments and events, its dependencies, and the locks."}

    def _status(self, _: Run) -> Answer:
        settings, evidence = self._settings, self._reader.read(self._clock())
        answer = self._ecs.describe_services(cluster=settings.cluster, services=[settings.service])
        events = [
            f"{one['createdAt']:%H:%M:%S} {one['message']}"
            for service in answer["services"][:1]
            for one in service["events"][:_EVENTS]
        ]
        tasks = [
            f"{one['taskArn'].rpartition('/')[2]} {one['lastStatus']} {one.get('healthStatus', '')}".strip()
            for one in self._described(self._running())
        ]
        last, good, lock = evidence.last, evidence.known_good, evidence.lock
        locked = lock if lock and lock.until >= evidence.at else None
        images = {one.arn: tag(one.image) for one in evidence.task_definitions}
        image = images.get(evidence.task_definition, "unknown")
        words = (
            f"{evidence.running} of {evidence.desired} tasks run, on {_short(evidence.task_definition)} (release {image}).",
            f"Deployment {last.id} is {last.status}." if last else "There was no deployment lately.",
            f"{_short(good.arn)} is known good." if good else "No other revision is known good.",
            f"The database is {evidence.database}, the cache {evidence.cache}.",
            *(f"{one.words}." for one in evidence.impaired),
            f"Locked by {locked.words}." if locked else "",
            *(f"Not read: {one}." for one in evidence.missing),
        )
        said = " ".join(filter(None, words))
        return {"said": said, "tasks": ", ".join(tasks) or "none", "events": " | ".join(events) or "none"}

    def _plan_health(self, _: Run) -> Answer:
        return {"said": f"Asks {self._settings.api_url}{self._settings.health_check_path} and {self._settings.frontend_url}."}

    def _health(self, _: Run) -> Answer:
        """Whether users are served: VerifyError when not, and then the execution fails as the runbook's script does."""
        settings = self._settings
        judge = partial(judge_api, settings.health_report)
        probes = (self._probe_api(judge), probe("frontend", settings.frontend_url, judge_frontend))
        if problems := [seen.problem for seen in probes if seen.problem]:
            raise VerifyError(f"{'; '.join(problems)}.")
        return {
            "said": "All services are healthy: " + ", ".join(f"{one.target} in {one.latency:.0f} ms" for one in probes) + "."
        }

    # What they share

    def verify(self, _: Run) -> Answer:
        """The API answers as it should, and its database with it; VerifyError when not.

        Maintenance that is announced keeps this look out, as it does users; its end looks again. What a deployment brought has
        passed the load balancer's health checks, which are not kept out.
        """
        seen = self._probe_api(self._judge)
        if seen.kept_out:
            return {"said": "The maintenance page keeps this look at the API out: maintenance-off looks when users are let in."}
        if seen.problem:
            raise VerifyError(f"{seen.problem}.")
        return {"said": f"The API is healthy, its database {seen.database}; it answered in {seen.latency:.0f} ms."}

    def _probe_api(self, judge: Callable[[Page], Verdict]) -> Probe:
        return probe("api", self._settings.api_url + self._settings.health_check_path, judge)

    def _judge(self, answer: Page) -> Verdict:
        """As the health check does, but for the page of maintenance that is announced."""
        if answer.kept_out and self._announced.read():
            return Verdict(kept_out=True)
        return judge_api(self._settings.health_report, answer)

    def _read(self) -> Evidence:
        """What there is to know of the service now; UnreadError when a part of it cannot be read."""
        evidence = self._reader.read(self._clock(), _OF_THE_SERVICE)
        if evidence.missing:
            raise UnreadError(f"This could not be read: {'; '.join(evidence.missing)}.")
        return evidence

    def _last(self) -> Deployment:
        """The newest deployment; RefusedError when there is none."""
        if found := self._read().last:
            return found
        raise RefusedError(f"{self._settings.service} has no deployment.")

    def _ended(self, deployment: Deployment) -> Answer:
        """How a deployment ended, or that it is to be waited for; VerifyError when it did not end well."""
        if deployment.status in RUNNING | ROLLING_BACK:
            return waiting(f"Deployment {deployment.id} is {deployment.status}.")
        if deployment.status != "SUCCESSFUL":
            reason = self._service.deployment(deployment.arn).get("statusReason", "")
            raise VerifyError(f"Deployment {deployment.id} ended {deployment.status}. {reason}".strip())
        return {"said": f"Deployment {deployment.id} has succeeded: the service runs {_short(deployment.task_definition)}."}


def _check_free(evidence: Evidence, *, release_too: bool) -> None:
    """RefusedError while automation or ECS takes the service back; and, if asked for, while any deployment is under way."""
    last, ours = evidence.last, evidence.last_change
    if last is None or last.status not in RUNNING | ROLLING_BACK:
        return
    if ours and evidence.followed(ours) == last:
        raise RefusedError(
            f"Automation takes the service back to {_short(ours.to_task_definition)}: wait for {last.id} to end."
        )
    if not _release(evidence):
        raise RefusedError(f"ECS takes deployment {last.id} back by itself ({last.status}): wait for its end.")
    if release_too:
        raise RefusedError(f"Deployment {last.id} is {last.status}: wait for its end, or take it back with backend-rollback.")


def _release(evidence: Evidence) -> bool:
    """Whether a deployment is under way that nobody takes back."""
    last = evidence.last
    return last is not None and last.status in RUNNING and not last.monitors_triggered


def _healthy(task: Mapping[str, Any]) -> bool:
    """Whether a task runs, and its health check does not say otherwise."""
    return (task["lastStatus"], task["desiredStatus"]) == ("RUNNING", "RUNNING") and task.get("healthStatus") != "UNHEALTHY"


def _counts(service: Service) -> str:
    return f"{service.running} of {service.desired} tasks"


def _short(task_definition: str) -> str:
    return task_definition.rpartition("/")[2] or "nothing"
