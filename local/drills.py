"""The drills: production runs on the local cloud, something is broken on purpose, and what happens is shown as a timeline.

`bad-release`: a release goes bad minutes after its rollout finished; the function `rollback` has to bring the service back.
`database-failure`: the database stops right after a good release; the same alarms fire, and nothing may be rolled back.

Time is simulated a minute at a time: requests really go to the stand-in application, their counts become the minute's metrics,
the evaluator judges the alarms, and the alarm's action invokes the real function under its real role.
"""

import argparse
import http.client
import json
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from local.alarms import AlarmEvaluator, Transition
from local.cloud import Cloud, CloudError
from stacks.environment import CONFIG, Environment, load

MINUTE = timedelta(minutes=1)
REQUESTS_A_MINUTE = 60
QUIET_MINUTES = 7  # as far as any alarm looks back
Metric = dict[str, Any]


class Production:
    """The deployed environment and the world around it: its users, its release pipeline and the passing of time."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.settings: Environment = cloud.environment
        self.ecs = cloud.client("ecs")
        self.cloudwatch = cloud.client("cloudwatch")
        self._lambda, self._rds, self._sqs = cloud.client("lambda"), cloud.client("rds"), cloud.client("sqs")
        self.alarms = AlarmEvaluator(self.cloudwatch)
        self.escalations()
        for _ in range(QUIET_MINUTES):  # alarms look back: before there were metrics, silence would look like an outage
            self._pass_minute()

    # The release pipeline

    def release(self, commit: str) -> str:
        """A release as the backend's own pipeline does it; gives the ARN of the new task definition."""
        family = self.ecs.describe_task_definition(taskDefinition=self.settings.family)["taskDefinition"]
        image = f"{self.cloud.repository_uri}:{commit}"
        container, *others = family["containerDefinitions"]
        kept = (
            "family",
            "taskRoleArn",
            "executionRoleArn",
            "networkMode",
            "volumes",
            "requiresCompatibilities",
            "cpu",
            "memory",
        )
        registered = self.ecs.register_task_definition(
            **{key: family[key] for key in kept if key in family},  # type: ignore[arg-type] # describe's shape is register's
            containerDefinitions=[{**container, "image": image}, *others],
        )["taskDefinition"]["taskDefinitionArn"]
        self.cloud.client("ssm").put_parameter(Name=self.settings.image_parameter, Value=image, Type="String", Overwrite=True)
        self.ecs.update_service(cluster=self.settings.cluster, service=self.settings.service, taskDefinition=registered)
        return registered

    @property
    def task_definition(self) -> str:
        """The ARN of the task definition that the service is set to."""
        return self._service["taskDefinition"]

    @property
    def settled(self) -> bool:
        """Whether no deployment of the service is under way."""
        return [deployment["rolloutState"] for deployment in self._service["deployments"]] == ["COMPLETED"]

    @property
    def _service(self) -> Any:
        return self.ecs.describe_services(cluster=self.settings.cluster, services=[self.settings.service])["services"][0]

    def image_of(self, task_definition: str) -> str:
        """The image of a task definition's one container."""
        described = self.ecs.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
        return str(described["containerDefinitions"][0]["image"])

    # The users and the passing of time

    def minute(self) -> list[Transition]:
        """One simulated minute: requests, their metrics, the health check, the alarms; gives what changed its state."""
        self._pass_minute()
        changed = self.alarms.tick(self.cloud.now())
        self.cloud.wait_until_idle()  # the functions that the alarms' actions invoked
        return changed

    def _pass_minute(self) -> None:
        self.cloud.advance(MINUTE)
        self._publish(self.cloud.now() - MINUTE)
        self._lambda.invoke(FunctionName=self.settings.function("health-check"))

    def get(self, path: str) -> tuple[int, float]:
        """Status and seconds of one request to the API, over TLS through the load balancer's name."""
        begun = time.perf_counter()
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        response.read()
        return response.status, time.perf_counter() - begun

    @property
    def healthy(self) -> bool:
        """Whether the API's health and an ordinary request both answer 200."""
        return [self.get(path)[0] for path in (self.settings.backend.health_check_path, "/api/v1/map")] == [200, 200]

    @cached_property
    def _connection(self) -> http.client.HTTPSConnection:
        environment = self.cloud.application_environment
        proxy = urlsplit(environment["HTTPS_PROXY"])
        tls = ssl.create_default_context(cafile=environment["SSL_CERT_FILE"])
        connection = http.client.HTTPSConnection(str(proxy.hostname), proxy.port, context=tls, timeout=10)
        connection.set_tunnel(self.settings.domain.api, 443)
        return connection

    def _publish(self, at: datetime) -> None:
        """What AWS would publish for the minute from `at` on: the requests as they went, the rest as on a quiet day."""
        answers = [self.get("/api/v1/map") for _ in range(REQUESTS_A_MINUTE)]
        errors = sum(status >= 500 for status, _ in answers)
        tasks = self._service["runningCount"]
        health, _ = self.get(self.settings.backend.health_check_path)
        accepted = str(health) in self.settings.backend.health_check_codes.split(",")
        balancer, targets = self._balancer
        database = self._database_available
        names = self.settings

        def metric(name: str, value: float | list[float], **dimensions: str) -> Metric:
            values = {"Values": value} if isinstance(value, list) else {"Value": value}
            return {
                "MetricName": name,
                "Timestamp": at,
                "Dimensions": [{"Name": key, "Value": it} for key, it in dimensions.items()],
                **values,
            }

        service = {"ClusterName": names.cluster, "ServiceName": names.service}
        instance = {"DBInstanceIdentifier": names.database_instance}
        published: dict[str, list[Metric]] = {
            "AWS/ApplicationELB": [
                metric("RequestCount", len(answers), LoadBalancer=balancer),
                metric("TargetResponseTime", [seconds for _, seconds in answers], LoadBalancer=balancer),
                metric("HealthyHostCount", tasks if accepted else 0, LoadBalancer=balancer, TargetGroup=targets),
                metric("UnHealthyHostCount", 0 if accepted else tasks, LoadBalancer=balancer, TargetGroup=targets),
                *([metric("HTTPCode_Target_5XX_Count", errors, LoadBalancer=balancer)] if errors else []),
            ],
            "AWS/ECS": [metric("CPUUtilization", 35, **service), metric("MemoryUtilization", 48, **service)],
            "AWS/RDS": [metric("CPUUtilization", 22, **instance), metric("DatabaseConnections", 40, **instance)]
            if database
            else [],
            "AWS/ElastiCache": [metric("DatabaseMemoryUsagePercentage", 31, CacheClusterId=node) for node in names.cache_nodes],
        }
        for namespace, data in published.items():
            if data:
                self.cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)

    @cached_property
    def _balancer(self) -> tuple[str, str]:
        """The dimensions' values of the load balancer and its target group: the tails of their ARNs."""
        client = self.cloud.client("elbv2")
        balancer = client.describe_load_balancers(Names=[self.settings.load_balancer])["LoadBalancers"][0]["LoadBalancerArn"]
        targets = client.describe_target_groups(Names=[self.settings.target_group])["TargetGroups"][0]["TargetGroupArn"]
        return balancer.partition("loadbalancer/")[2], targets.rpartition(":")[2]

    # The database

    @property
    def _database_available(self) -> bool:
        instance = self._rds.describe_db_instances(DBInstanceIdentifier=self.settings.database_instance)
        return instance["DBInstances"][0]["DBInstanceStatus"] == "available"

    def stop_database(self) -> None:
        self._rds.stop_db_instance(DBInstanceIdentifier=self.settings.database_instance)

    def start_database(self) -> None:
        self._rds.start_db_instance(DBInstanceIdentifier=self.settings.database_instance)

    # What the function did

    @cached_property
    def _inbox(self) -> str:
        """A queue behind the escalations topic, where a person would be."""
        topic, queue = self.settings.arn("sns", self.settings.escalations_topic), self.settings.arn("sqs", "drill-escalations")
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        url = self._sqs.create_queue(QueueName="drill-escalations", Attributes={"Policy": policy})["QueueUrl"]
        self.cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        return str(url)

    def escalations(self) -> list[str]:
        """The function's messages that a person got since the last look; the alarms' own are JSON and left out."""
        messages = []
        while found := self._sqs.receive_message(QueueUrl=self._inbox, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                messages.append(json.loads(message["Body"])["Message"])
                self._sqs.delete_message(QueueUrl=self._inbox, ReceiptHandle=message["ReceiptHandle"])
        return [message for message in messages if not message.startswith("{")]

    def outcomes(self) -> list[dict[str, Any]]:
        """The structured lines of `rollback` that record an outcome, oldest first."""
        lines = [json.loads(line) for line in self.cloud.logs("rollback") if line.startswith("{")]
        return [line for line in lines if "outcome" in line]


@dataclass
class Timeline:
    """What happened, printed as it happens: simulated time since the drill began, real time, and the event."""

    console: Console
    production: Production
    marks: dict[str, tuple[datetime, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.start = (self.production.cloud.now(), time.monotonic())

    def note(self, text: str, style: str = "", mark: str = "") -> None:
        """Print an event; `mark` remembers its time for the summary, the first time only."""
        now, real = self.production.cloud.now(), time.monotonic()
        if mark:
            self.marks.setdefault(mark, (now, real))
        minutes, seconds = divmod(round((now - self.start[0]).total_seconds()), 60)
        self.console.print(
            f"[dim]T+{minutes:02d}:{seconds:02d}  {real - self.start[1]:6.1f} s[/]  {text}", style=style, highlight=False
        )

    def transitions(self, changed: Sequence[Transition]) -> None:
        for transition in changed:
            firing = transition.new == "ALARM"
            if firing or transition.old == "ALARM":
                text = f"{transition.alarm}: {transition.old} -> {transition.new}"
                self.note(text, style="red" if firing else "green", mark=transition.alarm if firing else "")

    def took(self, begin: str, end: str) -> tuple[str, str]:
        """Simulated and real time between two marks, readable."""
        if begin not in self.marks or end not in self.marks:
            return "never", "never"
        simulated = self.marks[end][0] - self.marks[begin][0]
        return f"{simulated.total_seconds() / 60:.1f} min", f"{self.marks[end][1] - self.marks[begin][1]:.1f} s"


class Drill:
    """A drill on a deployed production: `minutes(...)` lets time pass, the checks decide the exit status."""

    def __init__(self, production: Production, console: Console) -> None:
        self.production = production
        self.settings = production.settings
        self.timeline = Timeline(console, production)
        self.console = console
        self.checks: list[tuple[str, bool]] = []
        self.seen = len(production.outcomes())
        self.calls_before = len(production.cloud.calls("rollback"))
        production.escalations()

    def check(self, what: str, holds: bool) -> None:
        self.checks.append((what, holds))

    def minutes(self, limit: int, until_true: Callable[[], bool]) -> bool:
        """Let minutes pass until a condition holds; False when the limit came first."""
        for _ in range(limit):
            changed = self.production.minute()
            self.timeline.transitions(changed)
            self._tell_outcomes()
            if until_true():
                return True
        return False

    def _tell_outcomes(self) -> None:
        outcomes = self.production.outcomes()
        for outcome in outcomes[self.seen :]:
            told = f"rollback: {outcome['outcome']}. {outcome['reason'] or outcome['message']}"
            self.timeline.note(told, style="bold yellow", mark=outcome["outcome"])
        self.seen = len(outcomes)

    @property
    def calls(self) -> list[tuple[str, bool]]:
        """The AWS calls of `rollback` since the drill began, in order, and whether IAM allowed them."""
        calls = self.production.cloud.calls("rollback")[self.calls_before :]
        return [(f"{call.service}:{call.action}", call.allowed) for call in calls]

    def alarms_clear(self) -> bool:
        alarms = self.production.cloudwatch.describe_alarms(StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        return not alarms["MetricAlarms"] and not alarms["CompositeAlarms"]

    def summarize(self, *measures: tuple[str, str, str]) -> bool:
        """Print the summary; gives whether every check held."""
        table = Table("measured", "simulated", "real", title="Summary", title_justify="left")
        for title, begin, end in measures:
            table.add_row(title, *self.timeline.took(begin, end))
        self.console.print(table)
        self.console.print("AWS calls of function rollback, under its own role:")
        for (call, allowed), times in Counter(self.calls).items():
            self.console.print(f"  {call}{f' x {times}' if times > 1 else ''}{'' if allowed else '  DENIED'}", highlight=False)
        for what, holds in self.checks:
            self.console.print(f"[{'green' if holds else 'bold red'}]{'ok  ' if holds else 'FAIL'}[/] {what}", highlight=False)
        return all(holds for _, holds in self.checks)


CHANGES = {"ecs:UpdateService", "ecs:StopServiceDeployment"}


def bad_release(production: Production, console: Console) -> bool:
    """A release passes its rollout and goes bad four minutes later: the service has to come back by itself."""
    console.rule("Drill: a bad release", align="left")
    drill = Drill(production, console)
    timeline, settings = drill.timeline, production.settings
    good = production.task_definition
    timeline.note(f"healthy on {_short(good)}")

    bad = production.release("b4dc0de")
    timeline.note(f"the pipeline releases {_short(bad)}", style="cyan")
    drill.minutes(10, lambda: production.settled)
    timeline.note(f"rollout of {_short(bad)} is complete, health checks pass", style="cyan")
    drill.minutes(4, lambda: False)

    production.cloud.fail_requests_of(f"{production.cloud.repository_uri}:b4dc0de")
    timeline.note("fault: the new release starts to answer 500", style="bold red", mark="fault")
    recovered = drill.minutes(20, lambda: production.settled and production.task_definition == good and production.healthy)
    if recovered:
        timeline.note(f"healthy again on {_short(good)}", style="bold green", mark="healthy")
    cleared = drill.minutes(15, drill.alarms_clear)
    if cleared:
        timeline.note("all alarms are clear", style="green", mark="clear")

    image = production.cloud.client("ssm").get_parameter(Name=settings.image_parameter)["Parameter"]["Value"]
    changes = [call for call, _ in drill.calls if call in CHANGES]
    drill.check(f"the service runs the known-good revision {_short(good)}", production.task_definition == good)
    drill.check("the API answers 200 to its health check and to requests", production.healthy)
    drill.check("the alarms fired and cleared again", settings.service_impaired_alarm in timeline.marks and cleared)
    drill.check("every alarm could be judged", not production.alarms.refused)
    drill.check("the function changed the service exactly once", changes == ["ecs:UpdateService"])
    drill.check("the next cdk deploy keeps the known-good image", image == production.image_of(good))
    drill.check("IAM denied nothing", all(allowed for _, allowed in drill.calls))
    return drill.summarize(
        ("fault -> alarm", "fault", settings.service_impaired_alarm),
        ("alarm -> rollback requested", settings.service_impaired_alarm, "rollback requested"),
        ("fault -> healthy", "fault", "healthy"),
        ("fault -> all alarms clear", "fault", "clear"),
    )


def database_failure(production: Production, console: Console) -> bool:
    """The database stops minutes after a good release: the same alarms fire, the service is left alone, a person is told why."""
    console.rule("Drill: the database fails", align="left")
    drill = Drill(production, console)
    timeline, settings = drill.timeline, production.settings
    released = production.release("77ac0fe")
    timeline.note(f"the pipeline releases {_short(released)}", style="cyan")
    drill.minutes(10, lambda: production.settled)
    timeline.note(f"rollout of {_short(released)} is complete", style="cyan")

    production.stop_database()
    timeline.note("fault: the database stops", style="bold red", mark="fault")
    drill.minutes(10, lambda: settings.service_impaired_alarm in timeline.marks)
    drill.minutes(3, lambda: False)
    told = production.escalations()
    naming = [message for message in told if settings.database_instance in message]
    for message in naming[:1]:
        timeline.note("the escalation a person reads:")
        console.print("\n".join(f"    {line}" for line in message.splitlines()), style="dim", highlight=False)
    production.start_database()
    timeline.note("the database is back", style="cyan")
    cleared = drill.minutes(15, lambda: drill.alarms_clear() and production.healthy)
    if cleared:
        timeline.note("healthy, all alarms are clear", style="bold green", mark="healthy")

    fired = {settings.alarm(slug, "critical") for slug in ("alb-5xx-rate", "unhealthy-hosts", "api-availability")} | {
        settings.service_impaired_alarm
    }
    drill.check("the same alarms fired", fired <= set(timeline.marks))
    drill.check("nothing was rolled back", not [call for call, _ in drill.calls if call in CHANGES])
    drill.check(f"the service still runs {_short(released)}", production.task_definition == released)
    drill.check(f"the escalation names {settings.database_instance}", bool(naming))
    drill.check("the alarms cleared when the database came back", cleared)
    drill.check("IAM denied nothing", all(allowed for _, allowed in drill.calls))
    return drill.summarize(
        ("fault -> alarm", "fault", settings.service_impaired_alarm),
        ("alarm -> escalation", settings.service_impaired_alarm, "escalated"),
        ("fault -> all alarms clear", "fault", "healthy"),
    )


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]


DRILLS = {"bad-release": bad_release, "database-failure": database_failure}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m local.drills", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "drill", nargs="*", default=list(DRILLS), help=f"which drills to run, all by default: {', '.join(DRILLS)}"
    )
    wanted = parser.parse_args().drill
    if unknown := set(wanted) - set(DRILLS):
        parser.error(f"{', '.join(sorted(unknown))} is no drill: choose from {', '.join(DRILLS)}")
    console = Console(soft_wrap=True)

    def progress(text: str) -> None:
        console.print(text, style="dim", highlight=False)

    try:
        with Cloud.start(load(CONFIG / "production.toml"), report=progress) as cloud:
            cloud.deploy()
            production = Production(cloud)
            results = [DRILLS[name](production, console) for name in wanted]
    except CloudError as error:
        console.print(str(error), style="bold red")
        return 1
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
