"""From an alarm of the service to its recorded outcome.

alarm -> evidence -> decision -> action -> verification (the alarm's OK) -> record of the incident. Every alarm that arrives
ends in exactly one recorded outcome, one structured log line and one message to the outcomes.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.events import Alarm, EventError, parse
from lambdas.common.incidents import ClaimedError, Incidents, InProgressError, Kind, Outcome
from lambdas.common.settings import RollbackSettings
from lambdas.rollback.actions import Actions, ChangeError
from lambdas.rollback.decisions import Decision, Evidence, Policy, decide
from lambdas.rollback.evidence import Reader, UnreadableError

logger = Logger(service="rollback")

_UNCHANGED: dict[str, tuple[Kind, str]] = {
    "record": ("recorded", "Nothing was changed: remediation is off."),
    "observe": ("observed", "Nothing was changed: remediation only observes."),
    "wait": ("waiting", "Nothing was changed: a rollback is under way. The alarm's OK will end this incident."),
    "escalate": ("escalated", "Nothing was changed. A person has to decide."),
}


class Rollback:
    """The function in one environment."""

    def __init__(self, settings: RollbackSettings) -> None:
        self._settings = settings
        self._incidents = Incidents(settings)
        self._reader = Reader(settings, self._incidents)
        self._actions = Actions(settings, self._incidents)
        self._policy = Policy(
            mode=settings.mode,
            detection=timedelta(seconds=settings.detection_seconds),
            suspect_window=timedelta(minutes=settings.suspect_window_minutes),
            budget=settings.budget,
            budget_window=timedelta(hours=settings.budget_hours),
        )

    def run(self, event: Any, seconds: float) -> Outcome:
        """The outcome of an event, whether this is its first delivery or not; `seconds` are left to find it."""
        alarm, problem = self._parse(event)
        identifier = alarm.id if alarm else f"malformed#{_digest(event)}"
        recorded = False
        try:
            earlier = self._incidents.begin(identifier, seconds)
            if earlier is None:
                outcome = self._respond(alarm) if alarm else self._malformed(problem)
                self._incidents.end(identifier, outcome)
                recorded = True
                logger.info(outcome.done, **_fields(outcome))
            else:
                recorded = True
                outcome, announced = earlier
                if announced:
                    logger.info("Delivered before: nothing is left to do", incident=identifier)
                    return outcome
            self._announce(identifier, outcome)
        except InProgressError:
            raise
        except Exception as error:
            self._failed(identifier, alarm, error, recorded=recorded)
            raise
        return outcome

    def _parse(self, event: Any) -> tuple[Alarm | None, str]:
        """The alarm, or what is wrong with the event."""
        try:
            alarm = parse(event)
        except EventError as error:
            return None, str(error)
        if alarm.name != self._settings.service_impaired_alarm:
            return None, f"it is about {alarm.name}, and this function acts on {self._settings.service_impaired_alarm}"
        return alarm, ""

    def _respond(self, alarm: Alarm) -> Outcome:
        incident = self._incidents.arrive(alarm)
        if incident is None:
            return self._outcome(
                alarm, "noted", "Nothing: a newer state of this alarm was answered already.", "the newer incident"
            )
        if alarm.state == "OK" and incident:
            return self._verify(alarm, incident)
        if alarm.state != "ALARM":
            return self._outcome(alarm, "noted", "Nothing: no incident is open.", "nothing")
        evidence = self._reader.read(alarm)
        return self._act(alarm, evidence, decide(evidence, self._policy))

    def _act(self, alarm: Alarm, evidence: Evidence, decision: Decision) -> Outcome:
        change = decision.change
        told: dict[str, Any] = {
            "section": decision.section,
            "decision": decision.verb,
            "reason": decision.reason,
            "from_task_definition": change.from_task_definition if change else evidence.task_definition,
            "to_task_definition": change.to_task_definition if change else "",
            "evidence": _summary(evidence),
            "missing": evidence.missing,
        }
        if change is None:
            kind, done = _UNCHANGED[decision.verb]
            return self._outcome(
                alarm, kind, done, decision.look_at, needs_person=kind == "escalated", reports=decision.reports, **told
            )
        try:
            flaw = self._actions.make(change, evidence)
        except ClaimedError:
            done = "Nothing was changed: another run changed the service since the evidence was read."
            return self._outcome(alarm, "escalated", done, decision.look_at, needs_person=True, **told)
        except ChangeError as error:
            done = f"A rollback was tried and AWS did not take it: {error}. The image parameter says {change.image}."
            return self._outcome(alarm, "escalated", done, decision.look_at, needs_person=True, **told)
        target = change.to_task_definition.rpartition("/")[2]
        done = f"The service is going back to {target} ({change.image}). The alarm's OK will end this incident. {flaw}".strip()
        return self._outcome(alarm, "rollback requested", done, decision.look_at, needs_person=bool(flaw), **told)

    def _verify(self, alarm: Alarm, incident: str) -> Outcome:
        """The alarm is OK again: is the service where we took it?"""
        opened = self._incidents.outcome(incident)
        went = opened.to_task_definition if opened and opened.outcome == "rollback requested" else ""
        missing, flaw = "", ""
        try:
            found = self._reader.current()
            where = f"It runs {found.arn.rpartition('/')[2]}" + (
                ""
                if not went
                else ", where the rollback took it."
                if found.arn == went
                else f", not {went} where it was taken."
            )
            if opened and opened.outcome == "waiting":  # ECS's own rollback does not write the parameter
                flaw = self._actions.keep(found.image)
        except (BotoCoreError, ClientError, UnreadableError, LookupError) as error:
            missing, where = f"what the service runs ({error})", "What it runs could not be read."
        minutes = (alarm.at - datetime.fromisoformat(incident.rpartition("#")[2])).total_seconds() / 60
        return self._outcome(
            alarm,
            "recovered",
            f"The service recovered {minutes:.0f} min after the alarm. {where} {flaw}".strip(),
            "the cause, for the post-mortem",
            to_task_definition=went,
            missing=(missing,) if missing else (),
            closes=incident,
            needs_person=bool(flaw),
        )

    def _malformed(self, problem: str) -> Outcome:
        return self._outcome(
            None,
            "malformed event",
            f"Nothing: the event was no alarm that this function knows: {problem}",
            "who calls the function, and with what; and whether the service is well",
            needs_person=True,
        )

    def _failed(self, identifier: str, alarm: Alarm | None, error: Exception, *, recorded: bool) -> None:
        """Say so wherever it can still be said: each of these may be what is broken. A recorded outcome stays."""
        outcome = self._outcome(
            alarm,
            "failed",
            f"The function failed ({type(error).__name__}: {error}). Lambda runs it again; do not count on that.",
            "the service by hand, then the function's log",
            needs_person=True,
        )
        logger.error(outcome.done, exc_info=error, **_fields(outcome))
        ways: list[Callable[[], None]] = [lambda: self._actions.publish(outcome)]
        if not recorded:
            ways.append(lambda: self._incidents.end(identifier, outcome))
        for tell in ways:
            try:
                tell()
            except Exception:
                logger.exception("The failure could not be told everywhere")

    def _announce(self, identifier: str, outcome: Outcome) -> None:
        """What follows a recorded outcome; a run that dies in here leaves it to the next delivery, message included."""
        if outcome.closes:
            self._incidents.close(outcome.closes, outcome.at)
        self._actions.publish(outcome)
        for deployment in outcome.reports:
            self._incidents.reported(deployment)
        self._incidents.announced(identifier)

    def _outcome(self, alarm: Alarm | None, kind: Kind, done: str, look_at: str, *, section: str = "2", **more: Any) -> Outcome:
        wrong = "An event arrived that is no alarm of this function."
        if alarm:
            cause = ", ".join(alarm.triggers) or alarm.reason
            wrong = f"{alarm.name} is {alarm.state} since {alarm.at:%Y-%m-%d %H:%M:%S} UTC, because of: {cause}"
        return Outcome(
            outcome=kind,
            environment=self._settings.environment,
            service=self._settings.service,
            alarm=alarm.name if alarm else "",
            at=alarm.at.isoformat() if alarm else "",
            wrong=wrong,
            done=done,
            look_at=look_at,
            section=section,
            **more,
        )


def _fields(outcome: Outcome) -> dict[str, Any]:
    """What the structured line carries besides its message."""
    return {name: value for name, value in asdict(outcome).items() if name not in {"done", "section"}}


def _summary(evidence: Evidence) -> dict[str, Any]:
    """The evidence as a reader of the log needs it."""
    last, known_good = evidence.last, evidence.known_good
    return {
        "task_definition": evidence.task_definition,
        "tasks": f"{evidence.running} of {evidence.desired}",
        "last_deployment": {"arn": last.arn, "status": last.status, "finished_at": str(last.finished_at)} if last else None,
        "known_good": known_good.arn if known_good else None,
        "database": evidence.database,
        "cache": evidence.cache,
        "dependency_alarms": list(evidence.dependency_alarms),
        "changes": len(evidence.changes),
    }


def _digest(event: Any) -> str:
    return hashlib.sha256(json.dumps(event, sort_keys=True, default=str).encode()).hexdigest()
