"""What is behind an incident, by one table of rules: what speaks for each hypothesis and what against it (runbook 3.1 to 3.5).

A rule looks at the facts, and says one sentence or nothing. Its points say how much the sentence counts: below zero, it speaks
against. The hypotheses are ranked by their sums. No rule guesses: what could not be read speaks for nothing.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lambdas.common.ecs import ROLLING_BACK, RUNNING
from lambdas.common.record.events import Finding, How, Statement
from lambdas.common.words import one_line
from lambdas.diagnose.facts import Behind, Changed, ChangeKind, Deployed, ErrorGroup, Facts, Stopped
from runbook.rows import Dependency
from runbook.rules import SUSPECT_WINDOW
from runbook.sections import Section

_MINUTE = timedelta(minutes=1)
_WELL = ("available", "backing-up", "storage-optimization", "configuring-enhanced-monitoring", "snapshotting")
"""Statuses in which RDS and ElastiCache serve."""
_UNDONE = ("ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED", "STOPPED", *sorted(ROLLING_BACK))
_TRAFFIC = 1.5
"""So many times the requests are more traffic, and one of it so much less."""


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """What may be behind it, where the runbook treats it, what to paste first, and which facts it cannot be judged without.

    Words in braces of the command are names of the environment, and `incident`."""

    title: str
    section: Section
    command: str
    needs: tuple[str, ...]


_AUTOMATION = "aws ssm start-automation-execution --document-name {alarm_prefix}"

HYPOTHESES: Mapping[str, Hypothesis] = {
    "release": Hypothesis(
        title="the last release of the backend",
        section=Section.BACKEND_ROLLBACK,
        command=_AUTOMATION
        + """backend-rollback --parameters 'DryRun="true",Revision="known-good",Reason="Incident {incident}"'""",
        needs=("deployments", "errors"),
    ),
    "frontend": Hypothesis(
        title="the frontend, or what delivers it",
        section=Section.FRONTEND_ROLLBACK,
        command=_AUTOMATION
        + """frontend-rollback --parameters 'DryRun="true",BackupId="newest",Reason="Incident {incident}"'""",
        needs=("rows", "changes"),
    ),
    "configuration": Hypothesis(
        title="a change of the configuration",
        section=Section.INCIDENT_RESPONSE,
        command="aws cloudtrail lookup-events --lookup-attributes AttributeKey=ReadOnly,AttributeValue=false"
        " --start-time $(date -u -d '2 hours ago' +%Y-%m-%dT%H:%M:%SZ)"
        " --query 'Events[].[EventTime,Username,EventName]' --output text",
        needs=("changes", "errors"),
    ),
    "database": Hypothesis(
        title="the database",
        section=Section.DATABASE_CONNECTIONS,
        command="aws rds describe-events --source-identifier {database_instance} --source-type db-instance --duration 120",
        needs=("database", "rows"),
    ),
    "cache": Hypothesis(
        title="the cache",
        section=Section.REDIS_CONNECTIONS,
        command="aws elasticache describe-replication-groups --replication-group-id {replication_group}",
        needs=("cache", "rows"),
    ),
    "capacity": Hypothesis(
        title="too few or too small tasks for the traffic",
        section=Section.HORIZONTAL_SCALING,
        command=_AUTOMATION + """service-status --parameters 'Reason="Incident {incident}"'""",
        needs=("rows", "service"),
    ),
    "zone": Hypothesis(
        title="one availability zone",
        section=Section.TASKS_UNHEALTHY,
        command="aws ecs describe-services --cluster {cluster} --services {service} --query 'services[0].events[:10]'",
        needs=("targets",),
    ),
    "outside": Hypothesis(
        title="something outside our system",
        section=Section.HIGH_LATENCY,
        command="aws logs filter-log-events --log-group-name {backend_log_group} --filter-pattern ERROR"
        " --start-time $(date -u -d '30 minutes ago' +%s)000 --query 'events[].message'",
        needs=("errors", "changes"),
    ),
    "unknown": Hypothesis(
        title="nothing that was read explains it",
        section=Section.INCIDENT_RESPONSE,
        command="aws ecs describe-services --cluster {cluster} --services {service}"
        " --query 'services[0].{{status:status,running:runningCount,desired:desiredCount}}'",
        needs=(),
    ),
}
"""The causes that the runbook knows. Which of several with as many points is first follows their order here."""


def ranked(facts: Facts, names: Mapping[str, str]) -> tuple[Finding, ...]:
    """Every hypothesis with what speaks for and against it, the most likely first; `names` fill the commands."""
    said = {slug: list(_said(slug, facts)) for slug in HYPOTHESES}
    order = sorted(HYPOTHESES, key=lambda slug: -sum(points for points, _ in said[slug]))
    return tuple(
        Finding(
            hypothesis=slug,
            title=HYPOTHESES[slug].title,
            for_it=tuple(sentence for points, sentence in said[slug] if points > 0),
            against=(
                *(sentence for points, sentence in said[slug] if points < 0),
                *(
                    Statement(how="unknown", text=f"{fact} could not be read: {facts.missing[fact]}")
                    for fact in HYPOTHESES[slug].needs
                    if fact in facts.missing
                ),
            ),
            section=HYPOTHESES[slug].section.value,
            command=HYPOTHESES[slug].command.format_map(names),
        )
        for slug in order
    )


Look = Callable[[Facts], str | None]


def _said(slug: str, facts: Facts) -> list[tuple[int, Statement]]:
    return [
        (points, Statement(how=how, text=sentence))
        for hypothesis, points, how, look in RULES
        if hypothesis == slug and (sentence := look(facts))
    ]


# What the rules ask


def _suspect(facts: Facts) -> Deployed | None:
    """The newest deployment that began before it did, and had not ended longer before than SUSPECT_WINDOW."""
    for one in facts.deployments or ():
        if one.created <= facts.began:
            return one if (one.finished or facts.began) >= facts.began - SUSPECT_WINDOW else None
    return None


def _released(facts: Facts) -> str | None:
    one = _suspect(facts)
    if one is None or one.status in RUNNING:
        return None
    ended = one.finished or facts.began
    return f"{_named(one)} {_before(one.created, facts)}, and is {one.status} since {_clock(ended)}"


def _rolling_out(facts: Facts) -> str | None:
    one = _suspect(facts)
    if one is None or one.status not in RUNNING:
        return None
    return f"{_named(one)} {_before(one.created, facts)}, and is under way"


def _undone(facts: Facts) -> str | None:
    one = _suspect(facts)
    return f"Deployment {one.id} did not end well: {one.status} {one.reason}".strip() if one and one.status in _UNDONE else None


def _no_release(facts: Facts) -> str | None:
    if facts.deployments is None or _suspect(facts):
        return None
    return f"No deployment ended in the {SUSPECT_WINDOW // _MINUTE} min before it began"


def _later_release(facts: Facts) -> str | None:
    newest = next(iter(facts.deployments or ()), None)
    if newest is None or newest.created <= facts.began or _suspect(facts):
        return None
    return f"Deployment {newest.id} began after it, and may be a fix"


def _same_image(facts: Facts) -> str | None:
    one = _suspect(facts)
    return f"Deployment {one.id} brought no other image: only its configuration may differ" if one and one.same_image else None


def _new_errors(facts: Facts) -> str | None:
    if _suspect(facts) is None:
        return None
    others = f"{_OF_THE_DATABASE}|{_OF_THE_CACHE}|{_OF_OTHERS}"
    new = next(
        (one for one in facts.errors or () if one.before == 0 and not re.search(others, one.example, re.IGNORECASE)), None
    )
    return f"Errors that were not there before: {new.now} times {new.pattern}" if new else None


def _old_errors(facts: Facts) -> str | None:
    """Only where nothing became more: errors that were there before are not of the release."""
    more = any(one.now > 2 * one.before for one in facts.errors or ())
    if not facts.errors or more or not facts.firing("alb-5xx-rate", "alb-5xx-rate-low-traffic"):
        return None
    return "The backend logs the same errors as before, as often"


def _crashes(facts: Facts) -> str | None:
    crashed = [
        one for one in _stopped(facts) if one.exit_code not in (None, 0, 137, 143) or "health check" in one.reason.lower()
    ]
    return f"{len(crashed)} tasks stopped: {crashed[0].reason}" if crashed else None


def _out_of_memory(facts: Facts) -> str | None:
    killed = [one for one in _stopped(facts) if "outofmemory" in one.reason.lower().replace(" ", "") or one.exit_code == 137]
    return f"{len(killed)} tasks ran out of memory: {killed[0].reason}" if killed else None


def _cannot_start(facts: Facts) -> str | None:
    words = r"ResourceInitializationError|unable to (pull|retrieve) (secrets|ecr)|CannotPull|AccessDenied|not authorized"
    failed = [one for one in _stopped(facts) if re.search(words, one.reason, re.IGNORECASE)]
    return f"{len(failed)} tasks could not start: {failed[0].reason}" if failed else None


def _stopped(facts: Facts) -> Sequence[Stopped]:
    return facts.service.stopped if facts.service else ()


def _status(of: Behind | None) -> str | None:
    return f"{of.name} is {of.status}" if of and of.status not in _WELL else None


def _happened(of: Behind | None) -> str | None:
    """Of what AWS says that it did, what users may have felt: no backup, no snapshot."""
    words = r"fail|restart|shutdown|shut down|reboot|recover|maintenance|storage|memory|unavailable|replac|patch"
    trouble = [event for event in (of.events if of else ()) if re.search(words, event, re.IGNORECASE)]
    return f"AWS says of {of.name}: {trouble[0]}" if of and trouble else None


def _past_lines(facts: Facts, dependency: Dependency) -> str | None:
    return "; ".join(one.measured for one in facts.of(dependency)) or None


def _well(facts: Facts, dependency: Dependency, of: Behind | None, *rows: str) -> str | None:
    if of is None or facts.rows is None or _status(of) or _happened(of) or facts.of(dependency) or facts.firing(*rows):
        return None
    return f"{of.name} is {of.status}, and within its lines"


def _behind_is_impaired(facts: Facts) -> str | None:
    found = [
        words
        for dependency, of in _DEPENDENCIES
        for words in (
            _status(of(facts)),
            _past_lines(facts, dependency),
            *_rows(facts, *_PROBES.get(dependency, ())),
            _happened(of(facts)),
        )
        if words
    ]
    return f"What is behind the backend explains it better: {found[0]}" if found else None


def _rows(facts: Facts, *slugs: str) -> list[str]:
    return [one.measured for one in facts.firing(*slugs)]


def _errors_with(facts: Facts, words: str) -> str | None:
    found = _group_with(facts, words)
    return f"{found.now} errors in the last minutes, {found.before} before: {found.example}" if found else None


def _group_with(facts: Facts, words: str) -> ErrorGroup | None:
    return next(
        (one for one in facts.errors or () if one.now > one.before and re.search(words, one.example, re.IGNORECASE)), None
    )


def _changes(facts: Facts, *kinds: ChangeKind) -> Sequence[Changed]:
    """The changes of these kinds in the hour before it began, the newest first."""
    return [one for one in facts.changes or () if one.kind in kinds and facts.began - SUSPECT_WINDOW <= one.at <= facts.began]


def _changed(facts: Facts, *kinds: ChangeKind) -> str | None:
    found = _changes(facts, *kinds)
    return f"{found[0].words}: {_minutes(facts.began - found[0].at)} before it began" if found else None


def _nothing_changed(facts: Facts) -> str | None:
    if facts.changes is None or facts.deployments is None or _changes(facts, "release", "configuration", "frontend"):
        return None
    return None if _suspect(facts) else "Nothing of ours was changed in the hour before it began"


def _no_configuration(facts: Facts) -> str | None:
    if facts.changes is None or _changes(facts, "configuration") or _same_image(facts):
        return None
    return "No configuration was changed in the hour before it began"


def _frontend_fails(facts: Facts) -> str | None:
    return "; ".join(_rows(facts, "frontend-availability")) or None


def _frontend_serves(facts: Facts) -> str | None:
    return "The frontend answers" if facts.rows is not None and not _frontend_fails(facts) else None


def _only_frontend(facts: Facts) -> str | None:
    fails, others = _frontend_fails(facts), _rows(facts, "api-availability", "alb-5xx-rate", "database-availability")
    return "The API answers while the frontend does not" if fails and not others else None


_EXHAUSTED = ("ecs-cpu", "ecs-cpu-hottest", "ecs-memory", "target-connections")


def _exhausted(facts: Facts) -> str | None:
    return "; ".join(_rows(facts, *_EXHAUSTED)) or None


def _strained(facts: Facts) -> str | None:
    found = [one.measured for one in facts.firing(*_EXHAUSTED, level="warning")]
    return "; ".join(found) if found and not _exhausted(facts) else None


def _idle(facts: Facts) -> str | None:
    cpu, memory = facts.signals.get("cpu"), facts.signals.get("memory")
    short_of = (_exhausted, _strained, _out_of_memory, _no_ports)
    if facts.rows is None or not cpu or cpu.now is None or any(look(facts) for look in short_of):
        return None
    return f"The tasks have room: CPU {cpu.words}" + (f", memory {memory.words}" if memory and memory.now is not None else "")


def _more_traffic(facts: Facts) -> str | None:
    requests = facts.signals.get("requests")
    if not requests or not requests.ratio or requests.ratio < _TRAFFIC:
        return None
    return f"{requests.ratio:.1f} times the requests: {requests.words}"


def _grown(facts: Facts) -> str | None:
    """More requests take what the tasks have, and are not the retries of requests that fail."""
    busy = _exhausted(facts) or _strained(facts)
    return _more_traffic(facts) if busy and not facts.firing("alb-5xx-rate", "alb-5xx-rate-low-traffic") else None


def _less_traffic(facts: Facts) -> str | None:
    """Fewer requests while the tasks are well: they do not arrive."""
    requests = facts.signals.get("requests")
    if not requests or requests.ratio is None or requests.ratio > 1 / _TRAFFIC**2 or facts.rows is None:
        return None
    fails = _rows(facts, "api-availability", "unhealthy-hosts", "tasks-running", "alb-5xx-rate")
    return None if fails else f"Fewer requests arrive: {requests.words}"


def _at_most_tasks(facts: Facts) -> str | None:
    if not facts.service or facts.service.running < facts.most_tasks:
        return None
    return f"{facts.service.running} tasks run, as many as the service may have"


def _no_ports(facts: Facts) -> str | None:
    return "; ".join(_rows(facts, "nat-ports")) or None


def _outside_errors(facts: Facts) -> str | None:
    """Errors of connections to what is neither ours nor AWS's."""
    found = _group_with(facts, _OF_OTHERS)
    if found is None or re.search(f"{_OF_THE_DATABASE}|{_OF_THE_CACHE}|amazonaws", found.example, re.IGNORECASE):
        return None
    return f"{found.now} errors in the last minutes, {found.before} before: {found.example}"


def _waits(facts: Facts) -> str | None:
    """Slow, although neither the tasks nor what is behind them are busier than before."""
    slow = facts.firing("alb-latency-p95", "alb-latency-p95-low-traffic")
    busy = [facts.signals.get(name) for name in ("cpu", "database cpu", "database load")]
    known = [one.ratio for one in busy if one and one.ratio is not None]
    if not slow or not known or max(known) > _TRAFFIC or _behind_is_impaired(facts) or _no_ports(facts):
        return None
    return f"{slow[0].measured}, while neither the tasks nor the database are busier than before"


def _unhealthy_zone(facts: Facts) -> str | None:
    bad = [one for one in facts.targets or () if one.state not in ("healthy", "initial", "draining")]
    well = [one for one in facts.targets or () if one.state == "healthy"]
    (zone, *others) = sorted({one.zone for one in bad}) or ("",)
    if not zone or others or not well or any(one.zone == zone for one in well):
        return None
    return f"All {len(bad)} targets in {zone} are {bad[0].state}, and the {len(well)} in other zones are healthy"


def _zone_errors(facts: Facts) -> str | None:
    """One zone has most of the errors, and not most of the requests."""
    errors = {zone: one.now for zone in facts.zones if (one := facts.signals.get(f"errors {zone}")) and one.now is not None}
    requests = {zone: one.now for zone in facts.zones if (one := facts.signals.get(f"requests {zone}")) and one.now is not None}
    if not errors or sum(errors.values()) < 1 or len(requests) < 2:
        return None
    worst = max(errors, key=lambda zone: errors[zone])
    share, of_requests = errors[worst] / sum(errors.values()), requests.get(worst, 0) / max(sum(requests.values()), 1)
    if share < 0.8 or of_requests > 0.7:
        return None
    return f"{share:.0%} of the errors are in {worst}, with {of_requests:.0%} of the requests"


def _zone_without_tasks(facts: Facts) -> str | None:
    if not facts.service or facts.service.desired < len(facts.zones) or facts.service.running < 1:
        return None
    empty = sorted(set(facts.zones) - set(facts.service.zones)) if facts.service.zones else []
    return f"No task runs in {', '.join(empty)}" if empty else None


def _zones_alike(facts: Facts) -> str | None:
    if not facts.targets or _unhealthy_zone(facts) or _zone_errors(facts):
        return None
    bad = {one.zone for one in facts.targets if one.state not in ("healthy", "initial", "draining")}
    return f"Targets in {' and '.join(sorted(bad))} are unhealthy" if len(bad) > 1 else "No zone is worse than another"


def _always(_: Facts) -> str | None:
    return "The hypotheses below have less for them than against them"


def _ours(facts: Facts) -> str | None:
    """Against anything outside: something of ours explains it."""
    return _behind_is_impaired(facts) or _crashes(facts) or _out_of_memory(facts) or _exhausted(facts)


_DEPENDENCIES: tuple[tuple[Dependency, Callable[[Facts], Behind | None]], ...] = (
    ("database", lambda facts: facts.database),
    ("cache", lambda facts: facts.cache),
)
_PROBES: Mapping[Dependency, tuple[str, ...]] = {"database": ("database-availability",)}

_OF_THE_DATABASE = r"too many (clients|connections)|remaining connection slots|:5432|postgres|\bpg\b|deadlock|statement timeout"
_OF_THE_CACHE = r"redis|:6379|\bREADONLY\b|OOM command not allowed"
_OF_THE_CONFIGURATION = (
    r"password authentication failed|certificate|self.signed|is not set|is not defined|missing (env|config|required)|"
    r"invalid (signature|api key|credentials)|AccessDenied|UnrecognizedClient"
)
_OF_OTHERS = r"(ETIMEDOUT|ENOTFOUND|ECONNRESET|EAI_AGAIN|socket hang up|status code (429|5\d\d)).*"

RULES: tuple[tuple[str, int, How, Look], ...] = (
    # The hypothesis, how much it counts, how we know it, and the sentence
    ("release", 5, "measured", _released),
    ("release", 5, "measured", _rolling_out),
    ("release", 3, "measured", _undone),
    ("release", 2, "measured", _new_errors),
    ("release", 2, "measured", lambda facts: _crashes(facts) if _suspect(facts) else None),
    ("release", 2, "measured", lambda facts: _out_of_memory(facts) if _suspect(facts) else None),
    ("release", -7, "inferred", _behind_is_impaired),
    ("release", -6, "measured", _no_release),
    ("release", -3, "measured", _later_release),
    ("release", -1, "measured", _old_errors),
    ("release", -4, "measured", _same_image),
    ("release", -5, "inferred", _less_traffic),
    ("release", -2, "inferred", _grown),
    ("release", -3, "inferred", _outside_errors),
    ("release", -4, "inferred", _unhealthy_zone),
    ("release", -4, "inferred", _zone_errors),
    ("release", -6, "inferred", _only_frontend),
    ("frontend", 4, "measured", _frontend_fails),
    ("frontend", 4, "measured", lambda facts: _changed(facts, "frontend")),
    ("frontend", 2, "inferred", _only_frontend),
    ("frontend", -9, "measured", _frontend_serves),
    ("configuration", 4, "measured", lambda facts: _changed(facts, "configuration")),
    ("configuration", 3, "measured", _same_image),
    ("configuration", 5, "measured", _cannot_start),
    ("configuration", 3, "measured", lambda facts: _errors_with(facts, _OF_THE_CONFIGURATION)),
    ("configuration", -3, "measured", _no_configuration),
    ("configuration", -3, "inferred", lambda facts: _status(facts.database) or _status(facts.cache)),
    ("database", 6, "measured", lambda facts: _status(facts.database)),
    ("database", 4, "measured", lambda facts: _past_lines(facts, "database")),
    ("database", 4, "measured", lambda facts: "; ".join(_rows(facts, "database-availability")) or None),
    ("database", 3, "measured", lambda facts: _happened(facts.database)),
    ("database", 2, "measured", lambda facts: _errors_with(facts, _OF_THE_DATABASE)),
    ("database", -4, "measured", lambda facts: _well(facts, "database", facts.database, "database-availability")),
    ("cache", 6, "measured", lambda facts: _status(facts.cache)),
    ("cache", 5, "measured", lambda facts: _past_lines(facts, "cache")),
    ("cache", 4, "measured", lambda facts: "; ".join(_rows(facts, "redis-evictions", "redis-replication-lag")) or None),
    ("cache", 3, "measured", lambda facts: _happened(facts.cache)),
    ("cache", 2, "measured", lambda facts: _errors_with(facts, _OF_THE_CACHE)),
    ("cache", -4, "measured", lambda facts: _well(facts, "cache", facts.cache, "redis-evictions", "redis-replication-lag")),
    ("capacity", 5, "measured", _exhausted),
    ("capacity", 2, "measured", _strained),
    ("capacity", 4, "measured", _out_of_memory),
    ("capacity", 3, "measured", _more_traffic),
    ("capacity", 1, "measured", _at_most_tasks),
    ("capacity", 4, "measured", _no_ports),
    ("capacity", -4, "measured", _idle),
    ("capacity", -3, "inferred", _behind_is_impaired),
    ("capacity", -3, "inferred", lambda facts: _released(facts) if not _more_traffic(facts) else None),
    ("zone", 6, "measured", _unhealthy_zone),
    ("zone", 6, "measured", _zone_errors),
    ("zone", 3, "measured", _zone_without_tasks),
    ("zone", -4, "measured", _zones_alike),
    ("outside", 2, "inferred", _nothing_changed),
    ("outside", 4, "measured", _outside_errors),
    ("outside", 3, "inferred", _waits),
    ("outside", 4, "inferred", _less_traffic),
    ("outside", -5, "inferred", _ours),
    ("outside", -4, "inferred", _frontend_fails),
    ("unknown", 1, "inferred", _always),
)
"""All rules. The points are judged by the cases of the tests: each cause alone, with an innocent release just before it, with
facts that could not be read, and with noise."""


def _named(deployment: Deployed) -> str:
    return f"Deployment {deployment.id} of {deployment.revision} ({deployment.commit})"


def _before(moment: datetime, facts: Facts) -> str:
    return f"began {_minutes(facts.began - moment)} before it"


def _minutes(span: timedelta) -> str:
    return f"{max(span / _MINUTE, 0):.0f} min"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S} UTC"


def last_change(facts: Facts) -> tuple[str, ...]:
    """The changes of the last hour in words, the newest first."""
    return tuple(one_line(one.words) for one in sorted(facts.changes or (), key=lambda one: one.at, reverse=True))
