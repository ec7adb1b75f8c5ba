"""The procedures of an incident (runbook 2.2): acknowledge it, note what happens, set its severity, hand it over, fill in the
status page, resolve it.

Each adds an event to the incident's record, which `notify` has opened.
"""

from urllib.parse import urlsplit

from lambdas.common import chat
from lambdas.common.clock import Clock
from lambdas.common.https import NoAnswerError
from lambdas.common.record.events import Kind, Person
from lambdas.common.record.incident import Incident
from lambdas.common.record.pages import page_of, words_of
from lambdas.common.record.store import Records
from lambdas.common.words import person, shown
from lambdas.health_check.probes import judge_api, judge_frontend
from lambdas.procedures.clients import Clients
from lambdas.procedures.frontend import PROBED, Fetch, fetch, file_problem
from lambdas.procedures.pages import named_by_page
from lambdas.procedures.run import Answer, RefusedError, Run, Steps, VerifyError
from lambdas.procedures.runs import Runs
from lambdas.procedures.settings import ProceduresSettings
from runbook import status_page
from runbook.rules import RECALL

OPEN = "open"
"""The incident that is open."""


class Response:
    """The family in one environment."""

    def __init__(self, settings: ProceduresSettings, clients: Clients, clock: Clock, runs: Runs, fetch: Fetch = fetch) -> None:
        self._settings = settings
        self._clock = clock
        self._runs = runs
        self._fetch = fetch
        self._sns = clients.sns
        self._records = Records(clients.records)

    def steps(self) -> Steps:
        """The steps of each procedure by their names in the documents."""
        return {
            "incident-acknowledge": {"Plan": self._plan_acknowledge, "Acknowledge": self._acknowledge},
            "incident-note": {"Plan": self._plan_note, "Note": self._note},
            "incident-severity": {"Plan": self._plan_severity, "SetSeverity": self._set_severity},
            "incident-hand-over": {"Plan": self._plan_hand_over, "HandOver": self._hand_over},
            "incident-status-page": {"Plan": self._plan_status_page, "Fill": self._fill_status_page},
            "incident-resolve": {"Plan": self._plan_resolve, "SmokeTests": self._smoke_tests, "Resolve": self._resolve},
        }

    # Acknowledge

    def _plan_acknowledge(self, run: Run) -> Answer:
        incident = self._unresolved(run)
        return {"said": f"{person(run.started_by)} would acknowledge {_words(incident)}.{_taken_up(incident)}"}

    def _acknowledge(self, run: Run) -> Answer:
        incident = self._of(run)
        said = self._add(run, incident, "acknowledgement", run.reason)
        return {"said": f"{said} PagerDuty rings on until somebody acknowledges there as well."}

    # Note

    def _plan_note(self, run: Run) -> Answer:
        return {"said": f"The note would be added to the record of {_words(self._chosen(run))}."}

    def _note(self, run: Run) -> Answer:
        return {"said": self._add(run, self._of(run), "note", run.inputs["Note"])}

    # Severity

    def _plan_severity(self, run: Run) -> Answer:
        incident = self._unresolved(run)
        now = incident.severity or "none"
        return {"said": f"The severity of {_words(incident)} would be {run.inputs['Severity']}. It is {now}."}

    def _set_severity(self, run: Run) -> Answer:
        return {"said": self._add(run, self._of(run), "severity", run.reason, run.inputs["Severity"])}

    # Hand over

    def _plan_hand_over(self, run: Run) -> Answer:
        incident = self._unresolved(run)
        return {"said": f"{run.inputs['To']} would take over {_words(incident)}.{_taken_up(incident)}"}

    def _hand_over(self, run: Run) -> Answer:
        return {"said": self._add(run, self._of(run), "hand-over", run.reason, run.inputs["To"])}

    # Status page

    def _plan_status_page(self, run: Run) -> Answer:
        incident = self._chosen(run)
        text = self._status_page(run, incident)
        return {"said": f"The status page's text for {incident.name} would be: {text}", "text": text}

    def _fill_status_page(self, run: Run) -> Answer:
        incident = self._of(run)
        text = self._status_page(run, incident)
        said = self._add(run, incident, "status page", text, run.inputs["Stage"])
        return {"said": f"{said} Paste it to the status page.", "text": text}

    def _status_page(self, run: Run, incident: Incident) -> str:
        """The template of the stage, filled in with what the run says, else with what the incident's page does; RefusedError
        where neither says something."""
        template = status_page.TEMPLATES[run.inputs["Stage"]]
        page = page_of(incident, self._settings.alarm_prefix)
        words = words_of(incident, page, self._settings.product) if page else {}
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

    # Resolve

    def _plan_resolve(self, run: Run) -> Answer:
        incident = self._over(self._unresolved(run))
        settings = self._settings
        return {
            "said": f"{person(run.started_by)} would resolve {_words(incident)}, once {settings.api_url} answers as healthy"
            f" with its database, and {settings.frontend_url} with the files that it names."
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
        said = self._add(run, incident, "resolution", run.reason)
        return {
            "said": f"{said} incident-status-page with Stage=resolved and Incident={incident.name}"
            " has the text for the status page."
        }

    @staticmethod
    def _over(incident: Incident) -> Incident:
        """RefusedError while a page of the incident fires."""
        if incident.firing:
            raise RefusedError(
                f"{', '.join(incident.firing)} still fires: {incident.name} is resolved when it does not, within minutes of the"
                " repair."
            )
        return incident

    # Which incident

    def _chosen(self, run: Run) -> Incident:
        """The incident that a run is about; RefusedError when there is none, or none of that name. Later steps keep to it."""
        wanted = run.inputs["Incident"]
        found = self._open() if wanted == OPEN else self._records.read(wanted)
        if found is None:
            raise RefusedError("No incident is open.")
        if not found.events:
            open_ = self._open()
            are = f"the open one is {open_.name}" if open_ else "none is open"
            raise RefusedError(f"There is no incident {wanted}: {are}.")
        self._runs.keep(run, incident=found.name)
        return found

    def _unresolved(self, run: Run) -> Incident:
        """The same; RefusedError when it is resolved."""
        incident = self._chosen(run)
        if by := incident.resolved:
            raise RefusedError(f"{person(by.by)} resolved {incident.name} at {by.at:%Y-%m-%d %H:%M:%S} UTC.")
        return incident

    def _of(self, run: Run) -> Incident:
        """The incident that Plan chose."""
        return self._records.read(self._runs.read(run).kept["incident"])

    def _open(self) -> Incident | None:
        """The newest that nobody has resolved, of those that go on or are over for less than a day."""
        now = self._clock()
        recent = (one for one in self._records.entries() if one.closed is None or now - one.closed < RECALL)
        return next((found for one in recent if not (found := self._records.read(one.name)).resolved), None)

    # The record

    def _add(self, run: Run, incident: Incident, kind: Kind, text: str, value: str = "") -> str:
        """Add to the incident's record and tell the chat, each once; what was done, in words."""
        event = Person(id=f"person {run.execution}", at=run.at, kind=kind, by=run.started_by, text=text, value=value)
        self._records.add(incident.name, [event])
        words = f"{kind.capitalize()}{f', {value}' if value else ''}"
        if "told" not in self._runs.read(run).kept:
            title = f"{incident.name}: {words} by {person(run.started_by)}"
            self._sns.publish(
                TopicArn=self._settings.chat_topic,
                Message=chat.message(title, shown(text, chat.MOST), incident.name, incident.name),
            )
            self._runs.keep(run, told="the chat")
        return f"{words} is in the record of {incident.name}, and told in the chat."


def _words(incident: Incident) -> str:
    """An incident for a sentence."""
    fires = f"{', '.join(incident.firing)} still fires" if incident.firing else "no page of it fires any more"
    return f"{incident.name}, which began at {incident.since:%Y-%m-%d %H:%M:%S} UTC ({fires})"


def _taken_up(incident: Incident) -> str:
    by = incident.acknowledged
    return f" {person(by.by)} has it since {by.at:%Y-%m-%d %H:%M:%S} UTC." if by else ""
