"""What goes wrong around `rollback`, generated: every call x every fault x before and after its effect, and what Lambda and CloudWatch
deliver afterwards; services that hang; random histories; storms; events that nobody would send.

`python -m tests.faults` prints how many cases there are, and what they break of what DESIGN holds always true.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise, product
from random import Random
from typing import Any

from pydantic import AwareDatetime, TypeAdapter

from local.ecs.rollout import Deployment
from runbook.rules import BUDGET, BUDGET_WINDOW, DETECTION
from tests.environments import PRODUCTION
from tests.faults.twin import ATTEMPTS, FAULTS, HANGS, Fault, Injected, Message, Twin
from tests.unit.lambdas.ecs import Changed
from tests.unit.lambdas.world import NOON, Crash, event

_MOMENT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
ESCALATIONS = PRODUCTION.escalations_topic
RETRIES = (60, 120)
"""Seconds that Lambda waits before it tries again:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html"""

MOST_TOLD = ATTEMPTS + len(RETRIES)
"""How often a person may hear the same words of one event: once for each try, and for each attempt of a call that loses its answers."""


@dataclass
class Chain:
    """One event, with all its tries."""

    event: Any
    began: int
    """How many messages there were before."""
    changes: list[Changed] = field(default_factory=list)
    outcome: Any = None
    """What the last try returned; None when it did not."""
    dead_letter: bool = False
    timed_out: bool = False
    tries: int = 0
    open_before: str = ""
    heard: bool = False
    """Whether anybody was told anything."""


@dataclass
class Story:
    """What happens to one service, and what of it must not."""

    twin: Twin = field(default_factory=Twin)
    chains: list[Chain] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    causes: set[str] = field(default_factory=set)
    """The deployments for which the service was changed."""
    _ran_on: set[str] = field(default_factory=set)
    """The revisions on which earlier incidents ran."""

    def says(self, violation: str) -> None:
        if violation not in self.violations:
            self.violations.append(violation)

    # What is delivered

    def deliver(self, what: Any, *, retried: bool = True, lasting: bool = False) -> Chain:
        """An event, as Lambda delivers it: again after an error, unless its retries are lost. A fault that is injected ends with the
        first try, unless it is `lasting`."""
        twin = self.twin
        chain = Chain(what, len(twin.messages), open_before=twin.items.get("latest", {}).get("open_incident", ""))
        self.chains.append(chain)
        for wait in (0, *RETRIES) if retried else (0,):
            twin.wait(seconds=wait)
            before = len(twin.ecs.changes)
            chain.tries += 1
            try:
                chain.outcome = twin.run(what)
            except Crash as crash:
                chain.timed_out |= "over" in str(crash)
            except Exception:  # noqa: S110 - Lambda counts it and goes on
                pass
            self._changed(chain, twin.ecs.changes[before:], what)
            if not lasting:
                twin.injected = None
            if chain.outcome:
                break
        else:
            chain.dead_letter = retried
        self._judge(chain, retried=retried)
        return chain

    # What must not be

    def _changed(self, chain: Chain, changes: list[Changed], what: Any) -> None:
        """What a try changed; botocore's second attempt of the same call is the same change."""
        for change in {(one.operation, one.before, one.after): one for one in reversed(changes)}.values():
            if change.operation == "UpdateService" and change.before == change.after:
                continue
            cause = next(
                (
                    one.arn
                    for one in reversed(self.twin.ecs.deployments)
                    if one.created < change.at.timestamp() and one.target.task_definition == change.before
                ),
                change.after,
            )
            if cause in self.causes:
                self.says("a second change for one deployment")
                continue
            self.causes.add(cause)
            self._judge_change(change, _at(what))
            chain.changes.append(change)

    @property
    def changes(self) -> list[Changed]:
        return [change for chain in self.chains for change in chain.changes]

    def _judge_change(self, change: Changed, at: datetime) -> None:
        twin = self.twin
        if change.after == change.before:
            self.says("a change to the current revision")
        lock = twin.items["changes"].get("lock service")
        if lock and lock["until"] >= at.timestamp():
            self.says("a change of what a procedure has locked")
        failed = [one for one in twin.ecs.deployments if one.finished and one.finished < change.at.timestamp() and _failed(one)]
        if change.after in {one.target.task_definition for one in failed}:
            self.says("a change to a failed revision")
        if twin.ecs.definitions[change.after]["status"] != "ACTIVE":
            self.says("a change to an inactive revision")
        window = [one for one in self.changes if change.at - BUDGET_WINDOW < one.at <= change.at]
        if len(window) >= BUDGET:
            self.says("more changes than the budget")
        history = [one for one in twin.ecs.deployments if one.created < change.at.timestamp()]
        caused = [one for one in history if one.target.task_definition == change.before]
        if caused and caused[0].created > (at - DETECTION).timestamp():
            self.says("a deployment changed for that is too young to be the cause")
        runs = [one.target.task_definition for one in history if one.status not in ("STOPPED", "ROLLBACK_FAILED")]
        left = {old for old, new in pairwise(runs) if _number(new) < _number(old)}
        if change.operation == "UpdateService" and change.after in left:
            self.says("back to a revision that was left for an older one")
        if change.operation == "UpdateService" and change.after in self._ran_on:
            self.says("back to a revision that an earlier incident ran on")

    def _judge(self, chain: Chain, *, retried: bool) -> None:
        said = self.twin.messages[chain.began :]
        if chain.timed_out:
            self.says("a run that used up the function's time")
        told = [message.words for message in said if message.topic == ESCALATIONS]
        if any(told.count(words) > MOST_TOLD for words in told):
            self.says("the same words again and again")
        for message in said:
            self._judge_words(chain, message)
        earlier = [before for before in self.chains[:-1] if before.event == chain.event]
        if not any(before.outcome or before.heard for before in earlier):  # or it was answered before
            self._judge_answer(chain, heard=bool(said), retried=retried)
        chain.heard = bool(said)
        if _answered(chain) and chain.event["alarmData"]["state"]["value"] == "ALARM":
            self._judge_alarm(chain)

    def _judge_answer(self, chain: Chain, *, heard: bool, retried: bool) -> None:
        bad_sns = self.twin.injected is not None and self.twin.injected.hits(10**6, "sns:publish")
        if retried and not (heard or chain.dead_letter):
            self.says("an event that nobody heard of")
        if chain.outcome is None and retried and not chain.dead_letter:
            self.says("an event without an outcome")
        if chain.outcome and not heard and not bad_sns:
            self.says("an outcome that nobody heard of")
        again = any(before.event == chain.event for before in self.chains[:-1])  # what an earlier delivery found is told late
        if chain.outcome and "no incident is open" in chain.outcome.done and chain.open_before and not again:
            self.says("'no incident is open' of an open one")

    def _judge_alarm(self, chain: Chain) -> None:
        latest, at = self.twin.items["latest"], max(_at(chain.event), NOON) - DETECTION
        newest = datetime.fromisoformat(latest["newest_at"]) <= _at(chain.event)
        goes_on = self.twin.items.get("escalated", {}).get("incident")  # that of the same escalation a moment ago
        if newest and latest.get("open_incident") not in (_id(chain.event), goes_on):
            self.says("an alarm that did not open its incident")
        undone = ("STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED")
        old = [
            one
            for one in self.twin.ecs.deployments
            if one.created <= at.timestamp()
            and not (one.status in undone and one.finished is not None and one.finished <= at.timestamp())
        ]
        if old:
            self._ran_on.add(old[-1].target.task_definition)

    def _judge_words(self, chain: Chain, message: Message) -> None:
        words = message.words
        changed = [change for change in chain.changes if change.at <= message.at]
        denied = re.search("Nothing was changed|Nothing: |did not take", words)
        if changed and denied and "began to take" not in words:
            self.says("'nothing was changed' after a change")
        same = [one for one in self.chains if one.event == chain.event]  # an earlier delivery's outcome may be told late
        if "is going back to" in words and not [change for one in same for change in one.changes if change.at <= message.at]:
            self.says("'is going back' without a change")
        if "another run changed the service" in words:
            self.says("'another run' when there was none")
        if "by itself" in words and [one for one in self.changes if one.operation == "StopServiceDeployment"]:
            self.says("'by itself' of a rollback that was ours")

    def judge_end(self) -> None:
        """What must be true when all is over."""
        items = self.twin.items
        for name, text in items.get("changes", {}).items():
            if name.startswith("arn:") and json.loads(text)["state"] == "started":
                self.says("a change left unconfirmed and untold")
        for chain in self.chains:
            if chain.outcome is None:
                continue
            known = chain.outcome.outcome != "malformed event"
            item = items.get(_id(chain.event), {}) if known else {"kind": "", "announced": True}
            if "kind" not in item or item["kind"] == "failed":
                self.says("an outcome that is not recorded")
            elif "announced" not in item:
                self.says("an outcome that is not recorded as announced")
            if chain.outcome.decision and len([key for key in items if key.endswith(f" decision {_id(chain.event)}")]) != 1:
                self.says("a decision that is not in one incident's record, once")
        for chain in self.chains:
            claimed = {(change.operation, change.after) for change in chain.changes}
            words = " ".join(message.words for message in self.twin.messages[chain.began :])
            if any(_short(after) not in words for _, after in claimed):
                self.says("a change that nobody heard of")


def _answered(chain: Chain) -> bool:
    """Whether the event was an alarm's, and the newest."""
    return chain.outcome is not None and chain.outcome.outcome not in ("noted", "malformed event")


def _id(what: Any) -> str:
    return f"{what['alarmArn']}#{_at(what).astimezone(UTC).isoformat()}"


def _at(what: Any) -> datetime:
    return _MOMENT.validate_python(what["alarmData"]["state"]["timestamp"])


def _failed(deployment: Deployment) -> bool:
    """Whether a deployment failed. One that a newer one superseded did not."""
    superseded = deployment.status == "STOPPED" and "newer one" in deployment.reason
    return deployment.status in ("STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED") and not superseded


def _short(definition: str) -> str:
    return definition.rpartition("/")[2]


def _number(definition: str) -> int:
    return int(definition.rpartition(":")[2])


# Every call x every fault


def bad_release(twin: Twin) -> Any:
    twin.release()
    twin.wait(minutes=5)
    return event("ALARM", twin.now)


def failing_release(twin: Twin) -> Any:
    twin.begin_release()
    twin.wait(minutes=3)
    return event("ALARM", twin.now)


def native_rollback(twin: Twin) -> Any:
    twin.begin_release()
    twin.ecs.fail()
    twin.wait(minutes=3)
    return event("ALARM", twin.now)


def bad_database(twin: Twin) -> Any:
    twin.database = "storage-full"
    return bad_release(twin)


def hotfix(twin: Twin) -> Any:
    """A person is quicker than the alarm: their fix began a minute before it, and has ended."""
    twin.release()
    twin.wait(minutes=5)
    twin.release(minutes=0.8)
    twin.wait(minutes=0.2)
    return event("ALARM", twin.now)


def at_work(twin: Twin) -> Any:
    """A procedure that a person started has the lock of the service."""
    what = bad_release(twin)
    twin.lock(minutes=10)
    return what


def recovery(twin: Twin) -> Any:
    twin.run(bad_release(twin))
    twin.ecs.settle()
    twin.wait(minutes=5)
    return event("OK", twin.now)


def insufficient(twin: Twin) -> Any:
    twin.run(bad_release(twin))
    twin.wait(minutes=5)
    return event("INSUFFICIENT_DATA", twin.now)


def nonsense(_: Twin) -> Any:
    return {"not": "an alarm"}


SCENARIOS: tuple[Callable[[Twin], Any], ...] = (
    bad_release,
    failing_release,
    native_rollback,
    bad_database,
    hotfix,
    at_work,
    recovery,
    insufficient,
    nonsense,
)


def retried_then_ok(story: Story, what: Any, *, lasting: bool) -> None:
    story.deliver(what, lasting=lasting)
    _next(story, "OK", minutes=5)
    _next(story, "ALARM", minutes=10)


def lost_then_ok(story: Story, what: Any, *, lasting: bool) -> None:
    story.deliver(what, retried=False, lasting=lasting)
    _next(story, "OK", minutes=5)
    _next(story, "ALARM", minutes=10)


def lost_then_alarm(story: Story, what: Any, *, lasting: bool) -> None:
    story.deliver(what, retried=False, lasting=lasting)
    _next(story, "ALARM", minutes=3)
    _next(story, "OK", minutes=5)


FOLLOWED = (retried_then_ok, lost_then_ok, lost_then_alarm)


def _next(story: Story, state: str, *, minutes: float) -> None:
    story.twin.injected = None
    story.twin.ecs.settle()
    story.twin.wait(minutes=minutes)
    story.deliver(event(state, story.twin.now))


Case = tuple[str, Callable[[], Story]]


def faulty_calls() -> Iterator[Case]:
    """A fault at one call of a run, on its first attempt or on all, with each sequel."""
    for scenario in SCENARIOS:
        for number, name in enumerate(_calls(scenario)):
            for fault, always, followed in product(FAULTS, (True, False), FOLLOWED):
                if always or fault.retried:
                    title = (
                        f"{scenario.__name__} / {number} {name} / {fault.name}{'' if always else ' once'} / {followed.__name__}"
                    )
                    yield title, _faulty_call(scenario, number, fault, always, followed)


def _faulty_call(
    scenario: Callable[[Twin], Any], number: int, fault: Fault, always: bool, followed: Callable[..., None]
) -> Callable[[], Story]:
    def play() -> Story:
        story = Story()
        what = scenario(story.twin)
        expected = _outcome(scenario)
        story.twin.injected = Injected(fault, lambda call, _: call == number, always)
        followed(story, what, lasting=False)
        first = story.chains[0]
        if not always and (first.outcome is None or first.tries > 1 or first.outcome.outcome != expected):
            story.says("another outcome for one lost answer")
        return story

    return play


SERVICES = ("cloudwatch", "dynamodb", "ecs", "elasticache", "rds", "sns", "ssm")


def hanging_services() -> Iterator[Case]:
    """One or two services that hang, from the start or from some call on, for one try or for all of them."""
    for scenario in SCENARIOS:
        calls = _calls(scenario)
        for services in (*combinations(SERVICES, 1), *combinations(SERVICES, 2)):
            for begin, lasting in product(range(0, len(calls), 4), (True, False)):
                title = f"{scenario.__name__} / {' and '.join(services)} hang from call {begin}{' on' if lasting else ''}"
                yield title, _hanging(scenario, services, begin, lasting)


def _hanging(scenario: Callable[[Twin], Any], services: tuple[str, ...], begin: int, lasting: bool) -> Callable[[], Story]:
    def play() -> Story:
        story = Story()
        what = scenario(story.twin)

        def hits(call: int, name: str) -> bool:
            first = not story.chains or story.chains[-1].tries <= 1
            return call >= begin * first and name.partition(":")[0] in services

        story.twin.injected = Injected(HANGS, hits)
        retried_then_ok(story, what, lasting=lasting)
        return story

    return play


def _calls(scenario: Callable[[Twin], Any]) -> list[str]:
    twin = Twin()
    twin.run(scenario(twin))
    return twin.calls


def _outcome(scenario: Callable[[Twin], Any]) -> str:
    twin = Twin()
    return str(twin.run(scenario(twin)).outcome)


# Random histories


class Fate(Random):
    """What happens to a service, from one seed."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.story = Story()
        self.delivered: list[Any] = []

    def play(self, steps: int) -> Story:
        twin = self.story.twin
        for _ in range(steps):
            happens = (self.releases, self.releases, self.rolls_out, self.goes_back, self.alarms, self.alarms, self.repeats)
            self.choice((*happens, self.breaks, self.repairs, self.works))(twin)
            twin.wait(minutes=self.uniform(0, 20), days=self.choice((0, 0, 0, 0, 0, 0, 0, 1)))
            if self.random() < 0.7:
                twin.ecs.settle()
        twin.injected = None
        self.story.deliver(event("OK", twin.now))
        return self.story

    def releases(self, twin: Twin) -> None:
        twin.release(minutes=self.uniform(0, 10))

    def rolls_out(self, twin: Twin) -> None:
        twin.begin_release()
        if self.random() < 0.4:
            self.choice((twin.ecs.fail, twin.ecs.fail, twin.ecs.abort))()
            twin.ecs.settle()

    def goes_back(self, twin: Twin) -> None:
        """A person deploys what ran before."""
        twin.ecs.deploy(self.choice([one for one, found in twin.ecs.definitions.items() if found["status"] == "ACTIVE"]))

    def alarms(self, twin: Twin) -> None:
        at = twin.now - timedelta(minutes=self.choice((0, 0, 0, 5)))
        self.arrives(twin, event(self.choice(("ALARM", "ALARM", "OK", "INSUFFICIENT_DATA")), at))

    def repeats(self, twin: Twin) -> None:
        if self.delivered:
            self.arrives(twin, self.choice(self.delivered[-6:]))

    def breaks(self, twin: Twin) -> None:
        twin.database = self.choice(("available", "available", "failed"))
        twin.alarms[self.choice(sorted(twin.alarms))] = self.choice(("OK", "ALARM", "INSUFFICIENT_DATA"))
        self.choice(list(twin.ecs.definitions.values()))["status"] = "INACTIVE"
        twin.ecs.definitions[twin.ecs.current]["status"] = "ACTIVE"

    def works(self, twin: Twin) -> None:
        """A person starts a procedure, or one ends; some die."""
        twin.lock(minutes=10) if self.random() < 0.5 else twin.unlock()

    def repairs(self, twin: Twin) -> None:
        twin.database = "available"
        twin.alarms = dict.fromkeys(twin.alarms, "OK")

    def arrives(self, twin: Twin, what: Any) -> None:
        """With a fault, one time in two; and Lambda may lose its retries."""
        self.delivered.append(what)
        lasting = False
        if self.random() < 0.5:
            number, fault, lasting = self.randrange(20), self.choice(FAULTS), self.random() < 0.1
            twin.injected = Injected(fault, lambda call, _: call == number, self.random() < 0.7)
        self.story.deliver(what, retried=self.random() < 0.8, lasting=lasting)
        twin.injected = None


def histories(count: int, steps: int) -> Iterator[Case]:
    for seed in range(count):
        yield f"history {seed}", lambda seed=seed: Fate(seed).play(steps)  # type: ignore[misc]


# Storms


def storms(count: int) -> Iterator[Case]:
    """An alarm that flaps: many changes of state, some of which arrive twice, late or never."""
    for seed in range(count):
        yield f"storm {seed}", lambda seed=seed: _storm(Random(seed))  # type: ignore[misc] # noqa: S311 - no secret


def _storm(dice: Random) -> Story:
    story = Story()
    twin = story.twin
    twin.release()
    twin.wait(minutes=5)
    sent = [
        event(state, twin.now + timedelta(seconds=30 * (2 * number + (state == "OK"))))
        for number in range(20)
        for state in ("ALARM", "OK")
    ]
    arriving = sorted(
        (
            (number + dice.choice((0, 0, 0, 0, 3, 9)) * dice.random(), what)
            for number, what in enumerate(sent)
            for _ in range(dice.choice((0, 1, 1, 1, 2)))
        ),
        key=lambda one: one[0],
    )
    for _, what in arriving:
        twin.wait(seconds=30)
        if dice.random() < 0.1:
            twin.ecs.settle()
        story.deliver(what)
    twin.wait(minutes=30)
    story.deliver(event("OK", twin.now))
    if "open_incident" in twin.items["latest"]:
        story.says("a stale incident after the storm")
    return story


# Events that nobody would send

ODD_TEXTS = (
    "",
    "x" * 70_000,
    "\x00\x1b[31m\x07\r\n",
    "first\n\nWhat was done\n  Everything is well.\n\nRunbook\n  none",
    "\ud800 half of a pair",
    "\u202egnp.exe \u2028 \u2029 \ufeff",
    "<script>{{alarm}}${jndi}</script>%s%n{0}",
    "🔥" * 300,
)
ODD_TIMES = (
    "0001-01-01T00:00:00.000+0000",
    "0001-01-01T00:00:00.000+1400",
    "9999-12-31T23:59:59.999+0000",
    "9999-12-31T23:59:59.999-1400",
    "1970-01-01T00:00:00.000+0000",
    "2026-03-02T12:00:00",
    "yesterday",
    "",
    0,
    1e308,
    -1,
    None,
)
ODD_VALUES: tuple[Any, ...] = (*ODD_TEXTS, None, 7, [], {}, True, "ALARM", [[[]]], 1e400, {"a": {"b": []}})
PATHS = (
    ("source",),
    ("alarmArn",),
    ("alarmData",),
    ("alarmData", "alarmName"),
    ("alarmData", "state"),
    ("alarmData", "state", "value"),
    ("alarmData", "state", "timestamp"),
    ("alarmData", "state", "reason"),
    ("alarmData", "state", "reasonData"),
    ("alarmData", "configuration"),
)


def odd_events(count: int) -> Iterator[Case]:
    """An alarm's event with some fields that are not as CloudWatch has them, then a real one: it is answered as ever."""
    for seed in range(count):
        yield f"event {seed}", lambda seed=seed: _odd_event(Random(seed))  # type: ignore[misc] # noqa: S311 - no secret


def odd(dice: Random, what: dict[str, Any]) -> Any:
    """The event with one to three fields changed; now and then something else altogether."""
    if dice.random() < 0.03:
        return dice.choice(ODD_VALUES)
    for path in dice.sample(PATHS, dice.choice((1, 1, 1, 2, 3))):
        place: Any = what
        for name in path[:-1]:
            place = place[name] if isinstance(place, dict) and name in place else {}
        if not isinstance(place, dict):
            continue
        values = ODD_TIMES if path[-1] == "timestamp" else ODD_VALUES
        if path[-1] == "reasonData" and dice.random() < 0.5:
            values = tuple(json.dumps({"triggeringAlarms": [{"arn": text}] * dice.choice((1, 500))}) for text in ODD_TEXTS)
        if path[-1] in ("reason", "alarmName", "alarmArn") and dice.random() < 0.5:
            place[path[-1]] = str(place.get(path[-1], "")) + dice.choice(ODD_TEXTS)
        elif dice.random() < 0.1:
            place.pop(path[-1], None)
        else:
            place[path[-1]] = dice.choice(values)
    return what


def _odd_event(dice: Random) -> Story:
    story = Story()
    twin = story.twin
    real = bad_release(twin)
    what = odd(dice, json.loads(json.dumps(real)))
    chain = story.deliver(what)
    _judge_event(story, chain)
    twin.wait(minutes=1)
    if not story.changes:
        chain = story.deliver(event("ALARM", twin.now))
        if chain.outcome is None or chain.outcome.outcome == "noted":
            story.says("a real alarm that an odd event kept from being answered")
    return story


def _judge_event(story: Story, chain: Chain) -> None:
    said = story.twin.messages[chain.began :]
    if chain.outcome is None:
        story.says("an odd event without an outcome")
    if len([item for name, item in story.twin.items.items() if name not in ("latest", "changes") and item.get("kind")]) != 1:
        story.says("an odd event without exactly one record")
    for message in said:
        _judge_message(story, message)
    for name, item in story.twin.items.items():
        if len(name.encode(errors="surrogatepass")) > 2048 or len(json.dumps(item, default=str)) > 400_000:
            story.says("an item that DynamoDB refuses")


def _judge_message(story: Story, message: Message) -> None:
    words = json.loads(message.words)["default"] if message.topic == ESCALATIONS else message.words
    titles = re.findall(r"^(?:What is wrong|What was done|Why|What to look at|Runbook)$", words, re.MULTILINE)
    if len(titles) != len(set(titles)):
        story.says("a text that imitates a section")
    if any(not (one.isprintable() or one == "\n") for one in words):
        story.says("control characters in a message")
    if len(message.words.encode(errors="surrogatepass")) > 20_000:
        story.says("a message that no mailbox shows whole")
    if any(line and not line.startswith("  ") and line not in titles for line in words.split("\n")):
        story.says("a text that imitates a section")


# All of it


def families(*, share: int = 1) -> dict[str, list[Case]]:
    """The cases by family; of every family one in `share`, spread evenly."""
    found = {
        "a call that goes wrong": list(faulty_calls()),
        "services that hang": list(hanging_services()),
        "random histories": list(histories(2000, 40)),
        "storms": list(storms(60)),
        "odd events": list(odd_events(2000)),
    }
    return {name: cases[::share] for name, cases in found.items()}


def broken(case: Case) -> list[str]:
    """What a case breaks, in words."""
    _, play = case
    story = play()
    story.judge_end()
    return story.violations
