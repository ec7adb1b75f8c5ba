"""The procedures of an incident (runbook 2.2): acknowledge it, note what happens, fill in the status page, resolve it.

Which incidents there are is what `notify` has told people; what people do about one is its timeline.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from lambdas.common import chat
from lambdas.common.clock import Clock
from lambdas.common.https import NoAnswerError
from lambdas.common.incidents import Incidents
from lambdas.common.timeline import Event, Kind, Subject, Timeline, Timelines
from lambdas.common.words import shown
from lambdas.health_check.probes import judge_api, judge_frontend
from lambdas.notify.memory import recall
from lambdas.notify.plan import Memory
from lambdas.procedures.clients import Clients
from lambdas.procedures.frontend import PROBED, Fetch, fetch, file_problem
from lambdas.procedures.pages import named_by_page
from lambdas.procedures.run import Answer, RefusedError, Run, Steps, VerifyError
from lambdas.procedures.runs import Runs
from lambdas.procedures.settings import ProceduresSettings
from runbook import status_page
from runbook.pages import PAGES, Page
from runbook.severities import CALLED

OPEN = "open"
"""The incident that is open."""
_PAGES: Mapping[str, Page] = {page.slug: page for page in PAGES}


@dataclass(frozen=True)
class _Told:
    """What people were told of an alarm."""

    alarm: str
    memory: Memory

    @property
    def fires(self) -> bool:
        return self.memory.calm_since is None

    @property
    def open(self) -> bool:
        """Whether people were not told that it is over."""
        return not self.memory.over

    @property
    def order(self) -> tuple[Any, ...]:
        """What calls somebody before what does not, then the oldest."""
        return self.memory.told_as not in CALLED, self.memory.since


@dataclass(frozen=True)
class _Incident:
    """An incident: what people were told of it, and what they have recorded."""

    subject: Subject
    told: tuple[_Told, ...]
    timeline: Timeline | None

    @property
    def name(self) -> str:
        return self.subject.name

    @property
    def fires(self) -> list[str]:
        return [one.alarm for one in self.told if one.fires]

    @property
    def acknowledged(self) -> Event | None:
        return self.timeline.last("acknowledged") if self.timeline else None

    @property
    def resolved(self) -> Event | None:
        """What resolved it; None where it is not, or fires again."""
        return self.timeline.resolved if self.timeline and not self.fires else None

    @property
    def words(self) -> str:
        fires = f"{', '.join(self.fires)} still fires" if self.fires else f"{self.subject.alarm} does not fire any more"
        return f"{self.name}, which began at {self.subject.since:%Y-%m-%d %H:%M:%S} UTC ({fires})"


class Incident:
    """The family in one environment."""

    def __init__(self, settings: ProceduresSettings, clients: Clients, clock: Clock, runs: Runs, fetch: Fetch = fetch) -> None:
        self._settings = settings
        self._clock = clock
        self._runs = runs
        self._fetch = fetch
        self._sns = clients.sns
        self._table = clients.incidents
        self._timelines = Timelines(clients.incidents, settings.retention_days, clock)

    def steps(self) -> Steps:
        """The steps of each procedure by their names in the documents."""
        return {
            "incident-acknowledge": {"Plan": self._plan_acknowledge, "Acknowledge": self._acknowledge},
            "incident-note": {"Plan": self._plan_note, "Note": self._note},
            "incident-status-page": {"Plan": self._plan_status_page, "Fill": self._fill_status_page},
            "incident-resolve": {"Plan": self._plan_resolve, "SmokeTests": self._smoke_tests, "Resolve": self._resolve},
        }

    # Acknowledge

    def _plan_acknowledge(self, run: Run) -> Answer:
        incident = self._unresolved(run)
        by = incident.acknowledged
        already = f" {person(by.by)} acknowledged it at {_time(by)}." if by else ""
        return {"said": f"{person(run.started_by)} would acknowledge {incident.words}.{already}"}

    def _acknowledge(self, run: Run) -> Answer:
        incident = self._of(run)
        said = self._add(run, incident, "acknowledged", run.reason)
        return {"said": f"{said} PagerDuty rings on until somebody acknowledges there as well."}

    # Note

    def _plan_note(self, run: Run) -> Answer:
        return {"said": f"The note would be added to the timeline of {self._chosen(run).words}."}

    def _note(self, run: Run) -> Answer:
        return {"said": self._add(run, self._of(run), "note", run.inputs["Note"])}

    # Status page

    def _plan_status_page(self, run: Run) -> Answer:
        incident = self._chosen(run)
        text = self._status_page(run, incident)
        return {"said": f"The status page's text for {incident.name} would be: {text}", "text": text}

    def _fill_status_page(self, run: Run) -> Answer:
        incident = self._of(run)
        text = self._status_page(run, incident)
        said = self._add(run, incident, "status page", text)
        return {"said": f"{said} Paste it to the status page.", "text": text}

    def _status_page(self, run: Run, incident: _Incident) -> str:
        """The template of the stage, filled in with what the run says, else with what the incident's page does; RefusedError
        where neither says something."""
        template = status_page.TEMPLATES[run.inputs["Stage"]]
        page = _PAGES.get(incident.subject.alarm.removeprefix(self._settings.alarm_prefix))
        words = status_page.words_of(page, self._settings.product, undone=self._undone(incident)) if page else {}
        description = run.inputs["Description"]
        given = {
            "SERVICE": run.inputs["Service"],
            "SYMPTOMS": run.inputs["Symptoms"],
            "BRIEF DESCRIPTION": description,
            "BRIEF DESCRIPTION OF FIX": description,
        }
        text = status_page.fill(template, words | {name: word for name, word in given.items() if word})
        if missing := status_page.blanks(text):
            names = dict.fromkeys(name.partition(" ")[2].partition(" ")[0] or name for name in missing)
            raise RefusedError(
                f"No page says what to write for {incident.name}: give {', '.join(name.capitalize() for name in names)}."
            )
        return text

    def _undone(self, incident: _Incident) -> bool:
        """Whether `rollback` has taken a release back in the incident."""
        recorded = next((one.memory.incident for one in incident.told if one.memory.incident), "")
        outcome = Incidents(self._table, self._settings.retention_days, self._clock).outcome(recorded) if recorded else None
        return outcome is not None and outcome.undoes

    # Resolve

    def _plan_resolve(self, run: Run) -> Answer:
        incident = self._over(self._unresolved(run))
        settings = self._settings
        return {
            "said": f"{person(run.started_by)} would resolve {incident.words}, once {settings.api_url} answers as healthy with"
            f" its database, and {settings.frontend_url} with the files that it names."
        }

    def _smoke_tests(self, _: Run) -> Answer:
        """The site has to serve its users; VerifyError when it does not."""
        settings, host = self._settings, urlsplit(self._settings.frontend_url).netloc
        problems, files = [], list[str]()
        try:
            answer = self._fetch(settings.api_url + settings.health_check_path)
            problems.append(judge_api(settings.health_report, answer).problem)
        except NoAnswerError as error:
            problems.append(f"API does not answer: {error}")
        try:
            page = self._fetch(f"{settings.frontend_url}/")
            problems.append(judge_frontend(page).problem)
            files = named_by_page(page.body.decode(errors="replace"), host)[:PROBED]
            problems.append(file_problem(self._fetch, settings.frontend_url, files))
        except NoAnswerError as error:
            problems.append(f"Frontend does not answer: {error}")
        if found := "; ".join(filter(None, problems)):
            raise VerifyError(f"{found}. The incident stays open.")
        return {"said": f"The API is healthy, its database connected; the frontend and {len(files)} files that it names load."}

    def _resolve(self, run: Run) -> Answer:
        incident = self._over(self._of(run))
        said = self._add(run, incident, "resolved", run.reason)
        return {
            "said": f"{said} incident-status-page with Stage=resolved and Incident={incident.name}"
            " has the text for the status page."
        }

    @staticmethod
    def _over(incident: _Incident) -> _Incident:
        """RefusedError while an alarm of the incident fires."""
        if incident.fires:
            raise RefusedError(
                f"{', '.join(incident.fires)} still fires: {incident.name} is resolved when it does not, within minutes of the"
                " repair."
            )
        return incident

    # Which incident

    def _chosen(self, run: Run) -> _Incident:
        """The incident that a run is about; RefusedError when there is none, or none of that name. Later steps keep to it."""
        wanted = run.inputs["Incident"]
        found = self._find(run, self._default(run) if wanted == OPEN else wanted)
        if found is None:
            names = list(dict.fromkeys(self._name(one) for one in self._told(run) if one.open))
            are = f"the open one is {', '.join(names)}" if names else "none is open"
            raise RefusedError("No incident is open." if wanted == OPEN else f"There is no incident {wanted}: {are}.")
        self._runs.keep(run, incident=found.name)
        return found

    def _unresolved(self, run: Run) -> _Incident:
        """The same; RefusedError when it is resolved."""
        incident = self._chosen(run)
        if by := incident.resolved:
            raise RefusedError(f"{person(by.by)} resolved {incident.name} at {_time(by)}.")
        return incident

    def _of(self, run: Run) -> _Incident:
        """The incident that Plan chose."""
        name = self._runs.read(run).kept["incident"]
        if found := self._find(run, name):
            return found
        raise RefusedError(f"There is no incident {name} any more.")

    def _default(self, run: Run) -> str:
        """The incident that people took up last; else the oldest that somebody was called for; empty for none."""
        if open_ := self._timelines.open():
            return open_.subject.name
        for name in dict.fromkeys(self._name(one) for one in self._told(run) if one.open):
            if (found := self._find(run, name)) and not found.resolved:
                return name
        return ""

    def _find(self, run: Run, name: str) -> _Incident | None:
        told = tuple(one for one in self._told(run) if self._name(one) == name)
        timeline = self._timelines.read(name) if name else None
        if timeline:
            return _Incident(timeline.subject, told, timeline)
        return _Incident(Subject(name=name, alarm=told[0].alarm, since=told[0].memory.since), told, None) if told else None

    def _told(self, run: Run) -> list[_Told]:
        """What people were told of, the most important first."""
        people = recall(self._table, run.at)["people"]
        return sorted((_Told(name, one) for name, one in people.items() if one.told_at), key=lambda one: one.order)

    def _name(self, told: _Told) -> str:
        return told.memory.name(self._settings.environment)

    # The timeline

    def _add(self, run: Run, incident: _Incident, kind: Kind, text: str) -> str:
        """Add to the incident's timeline and tell the chat, each once; what was done, in words."""
        at = run.at.isoformat(timespec="seconds")
        self._timelines.add(incident.subject, Event(id=run.execution, at=at, kind=kind, by=run.started_by, text=text))
        words = {"note": "Note", "status page": f"Status page, {run.inputs.get('Stage', '')}"}.get(kind, kind.capitalize())
        if "told" not in self._runs.read(run).kept:
            title = f"{incident.name}: {words} by {person(run.started_by)}"
            message = chat.message(title, shown(text, chat.MOST), incident.subject.thread, incident.name)
            self._sns.publish(TopicArn=self._settings.chat_topic, Message=message)
            self._runs.keep(run, told="the chat")
        return f"{words} is in the timeline of {incident.name}, and told in the chat."


def person(arn: str) -> str:
    """Who somebody is, in short: a role and its session, or a user."""
    return arn.rpartition(":")[2].partition("/")[2] or arn


def _time(event: Event) -> str:
    return f"{event.at.replace('T', ' ').partition('+')[0]} UTC"
