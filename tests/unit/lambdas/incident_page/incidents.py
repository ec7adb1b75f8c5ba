"""Incidents as their pages show them: a bad release that rollback has taken back, and parts of it."""

from datetime import UTC, datetime, timedelta

from lambdas.common.record.events import (
    Acted,
    AlarmChanged,
    AlarmState,
    Closed,
    Decided,
    Diagnosed,
    Escalated,
    Event,
    Finding,
    Impact,
    Kind,
    Looked,
    Notified,
    Person,
    Statement,
    Verified,
)
from lambdas.common.record.incident import Incident
from lambdas.incident_page.settings import IncidentPageSettings
from stacks.functions.incident_page import settings
from tests.environments import PRODUCTION

NAME = "2026-11-24-1"
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SETTINGS: IncidentPageSettings = settings(PRODUCTION)
DOWN = PRODUCTION.page("service-down")
ADA = "arn:aws:sts::123456789012:assumed-role/on-call/ada"


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def alarm(minutes: float, state: AlarmState = "ALARM", name: str = DOWN) -> AlarmChanged:
    title = "The service fails for its users" if name == DOWN else name
    return AlarmChanged(
        id=f"alarm {name} {state} {minutes}",
        at=at(minutes),
        alarm=name,
        state=state,
        title=title,
        severity="P1",
        calls=True,
        measured="ALB 5XX rate 62 %, normally below 0.1 %",
        began=at(minutes - 1),
    )


def told(minutes: float) -> Notified:
    subject = "ALARM: P1 production: The service fails for its users"
    return Notified(
        id=f"told {minutes}", at=at(minutes), channel="people", what="open", alarm=DOWN, severity="P1", subject=subject, text=""
    )


def decided(minutes: float, missing: tuple[str, ...] = (), *, person: bool = False) -> Decided:
    return Decided(
        id=f"decision {minutes}",
        at=at(minutes),
        alarm=PRODUCTION.service_impaired_alarm,
        verb="roll back",
        reason="Deployment AnRcIILJZjbDthYHtTD3j of hz-navigator-production-backend:2 ended 6 min before the alarm.",
        done="hz-navigator-production-backend:1 is known good.",
        looked=(Looked(row="the last deployment ended within 60 min"),),
        missing=missing,
        change=at(-8),
        person=person,
    )


def acted(minutes: float) -> Acted:
    what = "UpdateService to hz-navigator-production-backend:1"
    return Acted(id=f"action {minutes}", at=at(minutes), by="rollback", what=what)


def verified(minutes: float, *, healthy: bool = True) -> Verified:
    said = "The service recovered 3 min after the alarm." if healthy else "The service still fails."
    return Verified(id=f"verified {minutes}", at=at(minutes), healthy=healthy, said=said)


def person(minutes: float, kind: Kind, text: str = "I look at it", value: str = "") -> Person:
    return Person(id=f"{kind} {minutes}", at=at(minutes), kind=kind, by=ADA, text=text, value=value)


def escalated(minutes: float) -> Escalated:
    why = "nobody has acknowledged it within 15 min"
    return Escalated(id=f"escalated {minutes}", at=at(minutes), level=2, role="team lead", why=why)


def closed(minutes: float) -> Closed:
    return Closed(id=f"closed {minutes}", at=at(minutes))


def impact(minutes: float) -> Impact:
    return Impact(id=f"impact {minutes}", at=at(minutes), failed=1804, slow=37, requests=9120, minutes=13)


RELEASE = Finding(
    hypothesis="release",
    title="The last release broke the service",
    for_it=(
        Statement(how="measured", text="62 % of requests fail since 11:59 UTC; 0.02 % did in the hour before."),
        Statement(how="measured", text="Deployment of hz-navigator-production-backend:2 ended at 11:54 UTC, 5 min before."),
        Statement(how="inferred", text="The error is new: TypeError: Cannot read properties of undefined (reading 'id')."),
    ),
    against=(
        Statement(how="measured", text="Its tasks answer their health check."),
        Statement(how="unknown", text="Which requests fail: the access logs come late."),
    ),
    section="4.1",
    command="aws ecs describe-services --cluster hz-navigator-production-cluster"
    " --services hz-navigator-production-backend-service --query 'services[0].deployments'",
)
UNKNOWN = Finding(hypothesis="unknown", title="Something that was not looked at", section="3.1", command="make incident")


def found(minutes: float, *findings: Finding, missing: tuple[str, ...] = ("the cache's events: AccessDenied",)) -> Diagnosed:
    changed = (
        "11:52 UTC deployment of hz-navigator-production-backend:2, commit 4f2c1d9, by pipeline",
        "11:20 UTC security group sg-0a1b2c3d changed in the console, by bob",
    )
    return Diagnosed(
        id=f"finding {minutes}", at=at(minutes), findings=findings or (RELEASE,), changed=changed, missing=missing, seconds=4
    )


GOES_ON: tuple[Event, ...] = (alarm(0), told(0.1), found(0.2), decided(0.3), acted(0.4), escalated(15))
TAKEN_UP: tuple[Event, ...] = (*GOES_ON, person(16, "acknowledgement"))
OVER: tuple[Event, ...] = (*TAKEN_UP, alarm(18, "OK"), verified(19), closed(28), impact(28))
RESOLVED: tuple[Event, ...] = (*OVER, person(30, "resolution", "The release was taken back"))


def incident(*events: Event) -> Incident:
    return Incident.of(NAME, events)
