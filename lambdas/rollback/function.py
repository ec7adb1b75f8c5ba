"""From an alarm of the service to its recorded outcome.

alarm -> evidence -> decision -> action -> verification (the alarm's OK) -> record of the incident. Every alarm that arrives
ends in exactly one recorded outcome, one structured log line and one message to the outcomes.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.common.clock import Clock
from lambdas.common.events import EventError
from lambdas.common.incidents import Delivery, Incidents, InProgressError, Kind, Outcome
from lambdas.common.parallel import AtOnce
from lambdas.common.record.store import Records
from lambdas.rollback.actions import Actions, ChangeError, LostAnswerError
from lambdas.rollback.changes import Changes, ClaimedError
from lambdas.rollback.clients import Clients
from lambdas.rollback.decisions import Change, Decision, Evidence, begun, decide, looked_at, untold
from lambdas.rollback.events import Alarm, parse
from lambdas.rollback.evidence import Reader, Service
from lambdas.rollback.recording import events
from lambdas.rollback.settings import RollbackSettings
from runbook.rules import EVENT_AGE, EVIDENCE_DEADLINE
from runbook.sections import Section

logger = Logger(service="rollback")

_UNCHANGED: dict[str, tuple[Kind, str]] = {
    "record": ("recorded", "Nothing was changed: remediation is off."),
    "observe": ("observed", "Nothing was changed: remediation only observes."),
    "wait": ("waiting", "Nothing was changed: a rollback is under way. The alarm's OK will end this incident."),
    "escalate": ("escalated", "Nothing was changed. A person has to decide."),
}


_PERSON = "a person"


class Rollback:
    """The function in one environment."""

    def __init__(self, settings: RollbackSettings, clients: Clients, clock: Clock, at_once: AtOnce) -> None:
        changes = Changes(clients.incidents)
        self._settings = settings
        self._clock = clock
        self._at_once = at_once
        self._records = Records(clients.records)
        self._incidents = Incidents(clients.incidents, settings.retention_days, clock)
        self._changes = changes
        self._reader = Reader(settings, clients, changes, at_once)
        self._actions = Actions(settings, clients, changes, self._reader)

    def run(self, event: Any, seconds: float) -> Outcome:
        """The outcome of an event, whether this is its first delivery or not; `seconds` are left to find it."""
        alarm, problem = self._parse(event)
        identifier = alarm.id if alarm else f"malformed#{_digest(event)}"
        outcome, announcing = None, False
        try:
            with self._incidents.delivery(identifier, seconds, lambda error: self._failure(alarm, error, outcome)) as delivery:
                outcome = delivery.outcome
                if outcome is None:
                    outcome = self._respond(alarm) if alarm else self._with_unconfirmed(self._malformed(problem))
                    delivery.record(outcome)
                    logger.info(outcome.done, **_fields(outcome))
                announcing = True
                if delivery.announced:
                    logger.info("Delivered before: nothing is left to do", incident=identifier)
                else:
                    self._announce(outcome, alarm, delivery)
        except InProgressError:
            raise
        except Exception as error:
            # Where announcing has failed, everything was tried, except to call a person who was not needed before.
            person = not (announcing and outcome and outcome.needs_person)
            self._report(self._failure(alarm, error, outcome), error, person=person, everybody=not announcing)
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
        now = self._clock()
        if abs(now - alarm.at) > EVENT_AGE:
            return None, f"its time is {alarm.at:%Y-%m-%d %H:%M:%S} UTC, and now it is {now:%Y-%m-%d %H:%M:%S} UTC"
        return alarm, ""

    def _respond(self, alarm: Alarm) -> Outcome:
        incident = self._incidents.arrive(alarm.id, alarm.at, opens=alarm.state == "ALARM")
        if incident and alarm.state == "ALARM":
            evidence = self._reader.read(alarm.at)
            outcome = self._act(alarm, evidence, decide(evidence, self._settings.mode))
            return replace(outcome, looked=looked_at(evidence, self._settings.mode))
        if incident is None:
            outcome = self._noted(alarm, "Nothing: a newer state of this alarm was answered already.", "the newer incident")
        elif not incident:
            outcome = self._noted(alarm, "Nothing: no incident is open.", "nothing")
        elif alarm.state == "OK":
            return self._verify(alarm, incident)
        else:
            done = "Nothing: the alarm has no data, so nobody knows how the service is. The incident stays open."
            outcome = self._noted(alarm, done, "why the metrics of the service stopped")
        return self._with_unconfirmed(outcome)

    def _act(self, alarm: Alarm, evidence: Evidence, decision: Decision) -> Outcome:
        change, reports = decision.change, decision.reports
        made = change or decision.made
        if change:
            kind, done, needs_person, asked = self._make(change, evidence)
            reports += (change.deployment,) if asked else ()
        else:
            kind, done = self._unchanged(decision, evidence)
            needs_person = kind == "escalated"
            reports += (decision.made.deployment,) if decision.made else ()
        outcome = replace(
            self._outcome(alarm, kind, done, decision.look_at),
            section=decision.section,
            decision=decision.verb,
            reason=decision.reason,
            from_task_definition=made.from_task_definition if made else evidence.task_definition,
            to_task_definition=made.to_task_definition if made else "",
            evidence=_summary(evidence),
            missing=evidence.missing,
            reports=reports,
            needs_person=needs_person,
            remembers=not change and not self._remembered(evidence),
        )
        return _reporting(outcome, [one for one in evidence.untold if one.deployment not in reports])

    def _unchanged(self, decision: Decision, evidence: Evidence) -> tuple[Kind, str]:
        """The kind of outcome, and what was done in words, where nothing is changed now."""
        if decision.made:
            return "rollback requested", f"{_going_back(decision.made)} The alarm's OK will end this incident."
        if decision.reports or evidence.missing:  # an earlier run may have
            return "escalated", "This run changed nothing. A person has to decide."
        return _UNCHANGED[decision.verb]

    def _remembered(self, evidence: Evidence) -> bool:
        """Whether the incident is remembered, as far as is known: where it could not be recorded, announcing tries again."""
        if evidence.missing:
            return False
        try:
            self._changes.incident(evidence.at, evidence)
        except Exception:
            logger.exception("That an incident began could not be recorded")
            return False
        return True

    def _make(self, change: Change, evidence: Evidence) -> tuple[Kind, str, bool, bool]:
        """Make the change. The kind of outcome, what was done in words, whether a person is needed, and whether ECS took it, as
        far as is known."""
        try:
            flaw = self._actions.make(change, evidence)
        except ClaimedError:
            done = "This run changed nothing: another run changed the service since the evidence was read."
            return "escalated", done, True, False
        except ChangeError as error:
            return "escalated", f"A rollback was tried and AWS did not take it: {error}.", True, False
        except LostAnswerError as error:
            target = change.to_task_definition.rpartition("/")[2]
            done = f"A rollback to {target} was tried, and whether AWS took it is unknown: {error}."
            return "escalated", done, True, True
        words = (
            _going_back(change),
            "The alarm's OK will end this incident.",
            _also_taken_back(evidence.differences(change)),
            flaw,
        )
        return "rollback requested", " ".join(filter(None, words)), False, True

    def _verify(self, alarm: Alarm, incident: str) -> Outcome:
        """The alarm is OK again: is the service where we took it?"""
        answers = self._at_once(
            {
                "what the incident led to": lambda: self._incidents.outcome(incident),
                "what the service runs": self._reader.service,
                "what was done before": lambda: self._changes.read().changes,
            },
            EVIDENCE_DEADLINE.total_seconds(),
        )
        opened, service, changes = (None if isinstance(found, Exception) else found for found in answers.values())
        missing = tuple(f"{name} ({found})" for name, found in answers.items() if isinstance(found, Exception))
        target = opened.to_task_definition if opened and opened.outcome == "rollback requested" else ""
        where = _where(service, target) if service else "What it runs could not be read."
        minutes = (alarm.at - datetime.fromisoformat(incident.rpartition("#")[2])).total_seconds() / 60
        done = f"The service recovered {minutes:.0f} min after the alarm. {where}"
        outcome = replace(
            self._outcome(alarm, "recovered", done, "the cause, for the post-mortem"),
            to_task_definition=target,
            missing=missing,
            closes=incident,
        )
        return _reporting(outcome, untold(changes or ()))

    def _with_unconfirmed(self, outcome: Outcome) -> Outcome:
        """The outcome, and what an earlier run began and told nobody of."""
        try:
            changes = self._changes.read().changes
        except Exception as error:
            return replace(outcome, missing=(f"what was done before ({error})",))
        return _reporting(outcome, untold(changes))

    def _noted(self, alarm: Alarm, done: str, look_at: str) -> Outcome:
        return self._outcome(alarm, "noted", done, look_at)

    def _malformed(self, problem: str) -> Outcome:
        done = f"Nothing: the event was no alarm that this function knows: {problem}"
        look_at = "who calls the function, and with what; and whether the service is well"
        return replace(self._outcome(None, "malformed event", done, look_at), needs_person=True)

    def _failure(self, alarm: Alarm | None, error: Exception, outcome: Outcome | None) -> Outcome:
        """What a person is told of an error, `outcome` being how far the run had come."""
        before = f"{outcome.done} Then the" if outcome else "The"
        done = f"{before} function failed ({type(error).__name__}: {error}). Lambda runs it again; do not count on that."
        look_at = "the service by hand, then the function's log"
        return replace(self._outcome(alarm, "failed", done, look_at), needs_person=True)

    def _report(self, failure: Outcome, error: Exception, *, person: bool, everybody: bool) -> None:
        """Tell a person, and everybody, that the function failed, as far as that works: the topics may be what is broken, and
        an alarm tells of the function's errors anyway."""
        logger.error(failure.done, exc_info=error, **_fields(failure))
        for publish in (self._actions.escalate,) * person + (self._actions.publish,) * everybody:
            try:
                publish(failure)
            except Exception:
                logger.exception("The failure could not be published everywhere")

    def _repeats(self, alarm: Alarm, outcome: Outcome) -> bool:
        """Whether a person knows of this escalation since the alarm fired before: for the same reason, about the same
        deployment. Unknown counts as no."""
        if outcome.outcome != "escalated" or outcome.reports:
            return False
        deployment = json.dumps(outcome.evidence["last_deployment"])
        what = " ".join((outcome.decision, outcome.section.name, outcome.from_task_definition, deployment))
        try:
            repeats = self._incidents.repeats(alarm.id, what, alarm.at)
        except (BotoCoreError, ClientError):
            logger.exception("What was escalated before could not be read")
            return False
        if repeats:
            logger.info("Escalated before: recorded, and nobody is told again", incident=alarm.id)
        return repeats

    def _announce(self, outcome: Outcome, alarm: Alarm | None, delivery: Delivery) -> None:
        """What follows a recorded outcome, the person first: a step that fails keeps none of the others from being tried. A run
        that fails or dies in here leaves to the next delivery what is not done, message included."""
        steps: list[tuple[str, Callable[[], None]]] = []
        if outcome.needs_person and not (alarm and self._repeats(alarm, outcome)):
            steps.append((_PERSON, lambda: self._actions.escalate(outcome)))
        steps.append(("everybody", lambda: self._actions.publish(outcome)))
        if outcome.closes:
            steps.append(("the end", lambda: self._incidents.close(outcome.closes, outcome.at)))
        if outcome.remembers:
            steps.append(("the beginning", lambda: self._changes.incident(datetime.fromisoformat(outcome.at))))
        if alarm:
            steps.append(("the record", lambda: self._record(alarm, outcome)))
        # That people know of a change is recorded when they do.
        errors = _tried(steps, delivery.told) or _tried([("the changes", lambda: self._reported(outcome))], delivery.told)
        if not errors:
            return
        try:
            delivery.keep_told()
        except Exception as error:
            errors[0].add_note(f"Whom it told could not be recorded: {error}")
        raise errors[0]

    def _record(self, alarm: Alarm, outcome: Outcome) -> None:
        """Add what was decided, done or verified to the record of the incident."""
        entry = self._records.join(alarm.at, alarm.name, opens=bool(outcome.decision))
        if entry:
            self._records.add(entry.name, events(alarm.id, outcome))

    def _reported(self, outcome: Outcome) -> None:
        for deployment in outcome.reports:
            self._changes.reported(deployment)

    def _outcome(self, alarm: Alarm | None, kind: Kind, done: str, look_at: str) -> Outcome:
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
            section=Section.INCIDENT_RESPONSE,
        )


def _tried(steps: Iterable[tuple[str, Callable[[], None]]], done: set[str]) -> list[Exception]:
    """Take each step that is not done, whatever becomes of the others. Returns the errors."""
    errors: list[Exception] = []
    for step, take in steps:
        if step not in done:
            try:
                take()
                done.add(step)
            except Exception as error:
                errors.append(error)
    return errors


def _going_back(change: Change) -> str:
    return f"The service is going back to {change.to_task_definition.rpartition('/')[2]} ({change.image})."


def _where(service: Service, target: str) -> str:
    """What the service runs, beside where it was taken, in words."""
    runs = service.task_definition.rpartition("/")[2]
    said = f"It is still being deployed: it goes to {runs}" if service.changing else f"It runs {runs}"
    if not target:
        return f"{said}."
    there = "where the rollback took it" if service.task_definition == target else f"not {target} where it was taken"
    return f"{said}, {there}."


def _reporting(outcome: Outcome, changes: Sequence[Change]) -> Outcome:
    """The outcome, with changes that an earlier run began and told nobody of: a person has to know."""
    if not changes:
        return outcome
    return replace(
        outcome,
        done=f"{outcome.done} {begun(changes)}",
        reports=(*outcome.reports, *(change.deployment for change in changes)),
        needs_person=True,
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
        "last_deployment": {
            "arn": last.arn,
            "status": last.status,
            "created_at": str(last.created_at),
            "finished_at": str(last.finished_at),
        }
        if last
        else None,
        "known_good": known_good.arn if known_good else None,
        "database": evidence.database,
        "cache": evidence.cache,
        "dependency_alarms": list(evidence.dependency_alarms),
        "impaired": [one.words for one in evidence.impaired],  # `notify` waits for no deployment while this says something
        "silent_alarms": list(evidence.silent_alarms),
        "changes": len(evidence.changes),
    }


def _also_taken_back(names: Sequence[str]) -> str:
    """What a person has to repair after a rollback that took back more than the image; empty when it did not."""
    if not names:
        return ""
    return (
        f"That also takes back {', '.join(names)}."
        " The next `cdk deploy` or release brings it back: fix the configuration, or revert the commit, and deploy."
    )


def _digest(event: Any) -> str:
    return hashlib.sha256(json.dumps(event, sort_keys=True, default=str).encode()).hexdigest()
