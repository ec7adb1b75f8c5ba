"""Maintenance for users (runbook 2.2, mitigate): they get 503 with a page and Retry-After, and nobody is called.

Both web ACLs answer so to whoever is in their IP sets: the load balancer's for the API, and CloudFront's for the frontend and
the API behind it. The sets are empty but in maintenance. The load balancer's own health checks pass no web ACL.
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from lambdas.common import chat
from lambdas.common.https import Answer as Page
from lambdas.common.https import NoAnswerError
from lambdas.common.maintenance import Maintenances, reason
from lambdas.common.words import person, shown
from lambdas.health_check.probes import judge_api, judge_frontend
from lambdas.procedures.clients import Clients
from lambdas.procedures.frontend import Fetch, fetch
from lambdas.procedures.run import Answer, RefusedError, Run, Steps, VerifyError, waiting
from lambdas.procedures.runs import Runs
from lambdas.procedures.settings import ProceduresSettings
from runbook.pages import PAGES
from runbook.rules import CLEARING, RETRY_AFTER

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_WIDEST = {4: 16, 6: 32}
"""The widest block of operators, by the version of IP: a wider one would let in many a user."""
_EVERYBODY: Mapping[int, Network] = {4: ipaddress.ip_network("0.0.0.0/0"), 6: ipaddress.ip_network("::/0")}


@dataclass(frozen=True)
class _IpSet:
    """An IP set: what it takes to change it."""

    name: str
    scope: str
    id: str
    version: int
    addresses: frozenset[str]
    token: str


class Maintain:
    """The family in one environment."""

    def __init__(self, settings: ProceduresSettings, clients: Clients, runs: Runs, fetch: Fetch = fetch) -> None:
        self._settings = settings
        self._runs = runs
        self._fetch = fetch
        self._sns = clients.sns
        self._cloudwatch = clients.cloudwatch
        self._firewalls: Mapping[str, Any] = {"REGIONAL": clients.wafv2, "CLOUDFRONT": clients.frontend_wafv2}
        self._announced = Maintenances(clients.incidents)

    def steps(self) -> Steps:
        """The steps of each procedure by their names in the documents."""
        return {
            "maintenance-on": {
                "Plan": self._plan_on,
                "Mute": self._mute,
                "KeepOut": self._keep_out,
                "KeptOut": self._kept_out,
                "Tell": self._tell_on,
            },
            "maintenance-off": {
                "Plan": self._plan_off,
                "LetIn": self._let_in,
                "Clear": self._clear,
                "Unmute": self._unmute,
                "Verify": self._verify,
            },
        }

    # On

    def _plan_on(self, run: Run) -> Answer:
        operators, minutes = _operators(run), int(run.inputs["Minutes"])
        sets, announced = self._sets(), self._announced.read()
        settings = self._settings
        until = run.at + timedelta(minutes=minutes)
        on = any(one.addresses for one in sets)
        words = (
            f"Maintenance is on{f' until {_time(announced.until)}' if announced else ''}: it would go on until {_time(until)}."
            if on
            else f"Users of {settings.frontend_url} and {settings.api_url} would get 503, with a page and Retry-After:"
            f" {RETRY_AFTER.total_seconds():.0f}, until {_time(until)}.",
            f"Let in would be {', '.join(map(str, operators))}." if operators else "Nobody would be let in.",
            "The load balancer's health checks go on. Alarms are judged as ever, nobody is called, and automation changes"
            " nothing. It ends by itself, or with maintenance-off.",
        )
        return {"said": " ".join(words)}

    def _mute(self, run: Run) -> Answer:
        """Announce when it ends, and then mute: whatever fails from here on ends by itself."""
        kept = self._runs.read(run).kept.get("until")
        until = datetime.fromisoformat(kept) if kept else run.at + timedelta(minutes=int(run.inputs["Minutes"]))
        self._runs.keep(run, until=until.isoformat())
        self._announced.announce(until, run.execution, run.started_by)
        if self._muted():
            return {"said": f"Nobody is called already; maintenance ends at {_time(until)}."}
        self._set_muted("ALARM", reason("maintenance-on", run.started_by, run.reason))
        return {"said": f"Nobody is called, and automation changes nothing, until {_time(until)}."}

    def _keep_out(self, run: Run) -> Answer:
        """Keep out everybody but the operators."""
        operators = _operators(run)
        changed = self._fill({version: everybody_but(operators, version) for version in _EVERYBODY})
        return {"said": f"Users are kept out: {changed} of the web ACLs' IP sets are changed."}

    def _kept_out(self, _: Run) -> Answer:
        """WAF takes from seconds to minutes to be told everywhere."""
        if served := [f"{name} answers {words}" for name, words in self._seen(_keeps_out) if words]:
            return waiting(f"{'; '.join(served)}.")
        return {"said": "Users get 503, with the page and Retry-After."}

    def _tell_on(self, run: Run) -> Answer:
        announced = self._announced.read()
        until = f"until {_time(announced.until)}" if announced else "until maintenance-off"
        self._tell(run, f"Maintenance {until}, by {person(run.started_by)}", run.reason)
        return {"said": f"Maintenance is on {until}. To end it before, start {self._settings.prefix}-maintenance-off."}

    # Off

    def _plan_off(self, _: Run) -> Answer:
        on, muted = any(one.addresses for one in self._sets()), self._muted()
        if not (on or muted or self._announced.read()):
            raise RefusedError("Maintenance is not on.")
        return {
            "said": f"{'Users would be let in' if on else 'Users are let in'}. Once the alarms have ended, or after"
            f" {CLEARING / timedelta(minutes=1):g} min, people are called again, and automation acts again."
        }

    def _let_in(self, run: Run) -> Answer:
        changed = self._fill({version: [] for version in _EVERYBODY})
        if "let_in_at" not in self._runs.read(run).kept:
            self._runs.keep(run, let_in_at=run.at.isoformat())
        return {"said": f"Users are let in: {changed} of the web ACLs' IP sets are changed."}

    def _clear(self, run: Run) -> Answer:
        """The alarms of maintenance itself have to end before they act again: or they would call people, and automation. What
        does not end in time is no longer maintenance."""
        firing = self._firing()
        late = run.at - datetime.fromisoformat(self._runs.read(run).kept["let_in_at"]) >= CLEARING
        problems = [f"{name} answers {words}" for name, words in self._seen(self._serves) if words]
        if not (firing or problems):
            return {"said": "Users are served, and no page fires."}
        words = "; ".join([*problems, *(f"{name} fires" for name in firing)])
        return {"said": f"{words}: people are called, as it is too long for maintenance."} if late else waiting(f"{words}.")

    def _unmute(self, run: Run) -> Answer:
        """Only what was said of it is forgotten last: a run that dies in between is taken up by the next."""
        if self._muted():
            self._set_muted("OK", reason("maintenance-off", run.started_by, run.reason))
        self._announced.forget()
        self._tell(run, f"Maintenance is over, by {person(run.started_by)}", run.reason)
        return {"said": "People are called again, and automation acts again."}

    def _verify(self, _: Run) -> Answer:
        if problems := [words for _, words in self._seen(self._serves) if words]:
            raise VerifyError(f"Maintenance is off, and users are not served: {'; '.join(problems)}.")
        return {"said": "The API is healthy, its database connected, and the frontend loads."}

    # The IP sets

    def _sets(self) -> list[_IpSet]:
        """Those of both scopes; RefusedError when one is missing."""
        return [self._set(scope, client, version) for scope, client in self._firewalls.items() for version in _EVERYBODY]

    def _set(self, scope: str, client: Any, version: int) -> _IpSet:
        """An IP set: WAF's API finds one by its id only."""
        name = f"{self._settings.maintenance_addresses}{version}"
        for one in _listed(client, scope):
            if one["Name"] == name:
                found = client.get_ip_set(Name=name, Scope=scope, Id=one["Id"])
                return _IpSet(name, scope, one["Id"], version, frozenset(found["IPSet"]["Addresses"]), found["LockToken"])
        raise RefusedError(f"WAF has no IP set {name} for {scope}: deploy the stacks load-balancer and frontend.")

    def _fill(self, wanted: Mapping[int, Sequence[str]]) -> int:
        """Make each IP set have these addresses; how many of the sets were changed."""
        changed = 0
        for one in self._sets():
            if one.addresses != frozenset(wanted[one.version]):
                self._firewalls[one.scope].update_ip_set(
                    Name=one.name, Scope=one.scope, Id=one.id, Addresses=list(wanted[one.version]), LockToken=one.token
                )
                changed += 1
        return changed

    # The alarms

    def _muted(self) -> bool:
        return bool(self._in_alarm([self._settings.maintenance_alarm]))

    def _set_muted(self, state: Literal["ALARM", "OK"], words: str) -> None:
        self._cloudwatch.set_alarm_state(
            AlarmName=self._settings.maintenance_alarm, StateValue=state, StateReason=shown(words, 1000)
        )

    def _firing(self) -> list[str]:
        """The pages that fire for what is now, and what invokes automation."""
        prefix = self._settings.alarm_prefix
        names = [f"{prefix}{page.slug}" for page in PAGES if not page.recurring] + [self._settings.service_impaired_alarm]
        return sorted(self._in_alarm(names))

    def _in_alarm(self, names: Sequence[str]) -> list[str]:
        found = self._cloudwatch.describe_alarms(AlarmNames=names, AlarmTypes=["CompositeAlarm", "MetricAlarm"])
        alarms = (*found["CompositeAlarms"], *found["MetricAlarms"])
        return [one["AlarmName"] for one in alarms if one["StateValue"] == "ALARM"]

    # What users see

    def _seen(self, judge: Callable[[str, Page], str]) -> Iterator[tuple[str, str]]:
        """What is wrong with the answers of the API and of the frontend, by a judge of both; empty for nothing."""
        settings = self._settings
        for name, url in (("API", settings.api_url + settings.health_check_path), ("Frontend", f"{settings.frontend_url}/")):
            try:
                yield name, judge(name, self._fetch(url))
            except NoAnswerError as error:
                yield name, f"nothing: {error}"

    def _serves(self, name: str, page: Page) -> str:
        return (judge_api(self._settings.health_report, page) if name == "API" else judge_frontend(page)).problem

    # Words

    def _tell(self, run: Run, title: str, words: str) -> None:
        """Tell the chat, once."""
        if "told" not in self._runs.read(run).kept:
            thread = f"{self._settings.maintenance_alarm} {run.execution}"
            title = f"{self._settings.environment}: {title}"
            message = chat.message(title, shown(words, chat.MOST), thread, title)
            self._sns.publish(TopicArn=self._settings.chat_topic, Message=message)
            self._runs.keep(run, told="the chat")


def everybody_but(operators: Iterable[Network], version: int) -> list[str]:
    """CIDR blocks of every address of a version of IP but those of the operators. WAF takes no /0."""
    left = [*_EVERYBODY[version].subnets()]
    for operator in (one for one in operators if one.version == version):
        left = [part for network in left for part in _without(network, operator)]
    return [str(one) for one in left]


def _without(network: Any, operator: Any) -> Sequence[Any]:
    if operator.subnet_of(network):
        return list(network.address_exclude(operator))
    return () if network.subnet_of(operator) else (network,)


def _operators(run: Run) -> list[Network]:
    """The operators' addresses; RefusedError where one is none, or is too wide."""
    found = []
    for text in filter(None, run.inputs["Operators"].split(",")):
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise RefusedError(f"{text} is no address and no CIDR block, such as 203.0.113.7 or 203.0.113.0/24.") from None
        if network.prefixlen < _WIDEST[network.version]:
            raise RefusedError(f"{text} would let in too many: at most a /{_WIDEST[network.version]}.")
        found.append(network)
    return found


def _keeps_out(_: str, page: Page) -> str:
    return "" if page.kept_out else f"{page.status}"


def _listed(client: Any, scope: str) -> Iterator[Mapping[str, Any]]:
    """Every IP set of a scope: WAF's listing has a page after the other, and no paginator."""
    marker: dict[str, str] = {}
    while True:
        found = client.list_ip_sets(Scope=scope, Limit=100, **marker)
        yield from found["IPSets"]
        if not found.get("NextMarker"):
            return
        marker = {"NextMarker": found["NextMarker"]}


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
