"""An outage with what was measured of it: a release that fails some requests, then every second one."""

from datetime import UTC, datetime, timedelta

from lambdas.common.record.events import (
    Acted,
    AlarmChanged,
    Closed,
    Decided,
    Diagnosed,
    Event,
    Finding,
    Looked,
    Notified,
    Person,
    Statement,
    Verified,
)
from lambdas.common.record.incident import Incident
from lambdas.postmortem.document import Findings
from lambdas.postmortem.function import outage
from lambdas.postmortem.impact import impact, not_slow, requests
from lambdas.postmortem.metrics import LOOK_BACK, MINUTE, Measured, Metric, Series
from lambdas.postmortem.settings import PostmortemSettings
from runbook.sections import Section
from stacks.environment import Environment

_NAME = "2026-11-26-1"
_BEGIN = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)  # of the first alarm
_BALANCER = frozenset({("LoadBalancer", "app/alb/50dc6c495c0c9188")})
_RATE = 120  # requests a minute


def settings(environment: Environment) -> PostmortemSettings:
    """What the function knows in an environment."""
    return PostmortemSettings(
        environment=environment.name,
        alarm_prefix=f"{environment.prefix}-",
        lines=environment.lines,
        records_table=environment.records_table,
        bucket=environment.incidents_bucket,
        backend_log_group=environment.backend_log_group,
        product=environment.application.product,
        dashboard_url=environment.dashboard_url,
        runbook_url=environment.runbook_url,
    )


def example(environment: Environment) -> tuple[Incident, Findings]:
    """An incident with what was measured of it: a release that answers every second request with an error, after some minutes
    in which it was a few."""
    incident = Incident.of(_NAME, _events(environment))
    closed = incident.events[-1].at
    begin, end = outage(incident, closed)
    values = _values(begin, end)
    lasted = end - begin
    found = filter(None, [impact(values, begin, end, closed)])
    row = environment.row("alb-5xx-rate")
    series = {
        begin - LOOK_BACK + number * MINUTE: _share(begin - LOOK_BACK + number * MINUTE, begin, end)
        for number in range((closed - begin + LOOK_BACK) // MINUTE)
    }
    findings = Findings(
        begin=begin,
        end=end,
        rows=(Measured(row, series, begin - LOOK_BACK),),
        requests=requests(values, begin, end),
        usual=requests(values, begin - lasted, begin),
        slow=environment.row("alb-latency-p95").warning,
    )
    return Incident.of(_NAME, (*incident.events, *found)), findings


def _events(environment: Environment) -> list[Event]:
    page, critical = environment.page("service-down"), environment.alarm("alb-5xx-rate", "critical")
    warning = environment.alarm("alb-5xx-rate", "warning")
    title = "The service fails for its users"

    def at(minutes: float) -> datetime:
        return _BEGIN + timedelta(minutes=minutes)

    def alarm(
        minutes: float,
        name: str,
        state: str = "ALARM",
        *,
        calls: bool = False,
        measured: str = "",
        began: datetime | None = None,
    ) -> AlarmChanged:
        return AlarmChanged(
            id=f"alarm {name} {state}",
            at=at(minutes),
            alarm=name,
            state="ALARM" if state == "ALARM" else "OK",
            title=title if calls else "ALB 5XX rate",
            severity="P3" if name == warning else "P1",
            calls=calls,
            measured=measured,
            began=began,
        )

    return [
        alarm(-7, warning, measured="ALB 5XX rate 2 %, normal under 0.1 %", began=at(-11)),
        alarm(0, critical, measured="ALB 5XX rate 48.4 %, normal under 0.1 %", began=at(-2)),
        alarm(0, page, calls=True),
        Decided(
            id="decision",
            at=at(0),
            alarm=environment.service_impaired_alarm,
            verb="roll back",
            reason=f"Deployment AnRcIILJZjbDthYHtTD3j of {environment.family}:18 ended 11 min before the alarm."
            f" {environment.family}:17 is known good.",
            done=f"The service is going back to {environment.family}:17.",
            looked=(
                Looked(row="a fact could not be read", why_not="all were read"),
                Looked(row="a native rollback is under way", why_not="no deployment is"),
                Looked(
                    row="the database or the cache is impaired", why_not="both are available, and none of their alarms fires"
                ),
                Looked(row="the last deployment is a suspect"),
            ),
            change=at(-14),
        ),
        Acted(id="action", at=at(0), by="rollback", what=f"The service is going back to {environment.family}:17."),
        Diagnosed(
            id="finding",
            at=at(0.2),
            findings=(
                Finding(
                    hypothesis="release",
                    title="The last release broke it",
                    for_it=(Statement(how="measured", text="Its tasks answer every second request with 500."),),
                    against=(Statement(how="unknown", text="Whether tasks of the release before would fail too."),),
                    section=Section.HIGH_ERROR_RATE,
                    command="aws ecs describe-services",
                ),
            ),
            changed=(f"10:16 UTC: a deployment of {environment.family}:18, by the pipeline",),
            missing=("what changed in CloudTrail",),
        ),
        Notified(
            id="notification",
            at=at(1),
            channel="people",
            what="open",
            alarm=page,
            severity="P1",
            subject=f"ALARM: P1 {environment.name}: {title}",
            text=title,
        ),
        Person(
            id="person 7d1ad3a8-1c3c-4d5f-8d6d-0d7a3c1b2e4f",
            at=at(3),
            kind="acknowledgement",
            by=f"arn:aws:sts::{environment.account}:assumed-role/on-call/ada",
            text="Looking",
        ),
        Verified(id="verification", at=at(5), healthy=True, said="The service recovered 5 min after the alarm."),
        alarm(5, critical, "OK"),
        alarm(5, page, "OK", calls=True),
        alarm(7, warning, "OK"),
        Closed(id="closed", at=at(15)),
    ]


def _share(time: datetime, begin: datetime, end: datetime) -> float:
    """The percentage of requests that failed: a few, then much in the outage, and a few for some minutes of three nights."""
    if begin <= time < end - 2 * MINUTE:
        return 50.0 if time >= _BEGIN - 2 * MINUTE else 2.0
    return 2.0 if time.day % 5 == 0 and time.hour == 3 and time.minute < 4 else 0.0


def _values(begin: datetime, end: datetime) -> dict[Metric, Series]:
    """What the load balancer counted in the outage and as long before it."""
    times = [begin - (end - begin) + number * MINUTE for number in range(2 * ((end - begin) // MINUTE))]

    def metric(name: str, statistic: str = "Sum") -> Metric:
        return Metric("AWS/ApplicationELB", name, _BALANCER, statistic)

    return {
        metric("RequestCount"): dict.fromkeys(times, _RATE),
        metric("HTTPCode_Target_5XX_Count"): {
            time: round(_RATE * share / 100) for time in times if (share := _share(time, begin, end))
        },
        metric("TargetResponseTime", not_slow(1)): {time: 97.5 if time >= begin else 99.5 for time in times},
    }
