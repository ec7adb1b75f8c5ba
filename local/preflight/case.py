"""What a check is given, and what it answers."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from local.preflight.account import Account
from local.preflight.plan import Plan, Resource, Stack
from stacks.environment import Environment

CLOUDFRONT_REGION = "us-east-1"
CHATBOT_REGION = "us-east-2"
"""One of the regions that have the API; what it answers is the account's:
https://docs.aws.amazon.com/general/latest/gr/chatbot.html"""

CREATION_FAILED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
"""Nothing stands: the CDK CLI deletes such a stack and makes it again, if it may."""

State = Literal["ok", "fix", "later", "not known"]


@dataclass(frozen=True)
class Answer:
    """One line. `fix` stands in the way of `cdk deploy`; `later` belongs to a step after the next one."""

    state: State
    text: str


Answers = Iterator[Answer]


def ok(text: str) -> Answer:
    return Answer("ok", text)


def fix(text: str) -> Answer:
    return Answer("fix", text)


def later(text: str) -> Answer:
    return Answer("later", text)


@dataclass(frozen=True)
class Live:
    """A stack as it is in the account."""

    status: str
    protected: bool
    owned: frozenset[str]
    """The logical ids of what it has made."""


@dataclass(frozen=True)
class Case:
    """An environment, what would be deployed of it, and where to ask."""

    environment: Environment
    plan: Plan
    account: Account
    resolver: str
    config: str = "config"

    @property
    def file(self) -> str:
        return f"{self.config}/{self.environment.name}.toml"

    @cached_property
    def live(self) -> dict[str, Live]:
        """The stacks of the plan that exist, by name; NotKnown when they cannot be read."""
        return {stack.name: live for stack in self.plan.stacks if (live := self._live(stack))}

    def _live(self, stack: Stack) -> Live | None:
        asked: dict[str, Any] = {"StackName": stack.name, "region": stack.region}
        answer = self.account.ask("cloudformation", "describe_stacks", absent=("ValidationError",), **asked)
        if not answer or answer["Stacks"][0]["StackStatus"] == "REVIEW_IN_PROGRESS":  # a change set was made, and nothing else
            return None
        (found,) = answer["Stacks"]
        owned = (
            resource["LogicalResourceId"]
            for resource in self.account.ask("cloudformation", "list_stack_resources", **asked).get(
                "StackResourceSummaries", ()
            )
            if not resource["ResourceStatus"].startswith(("DELETE_", "CREATE_FAILED"))
        )
        return Live(found["StackStatus"], bool(found.get("EnableTerminationProtection")), frozenset(owned))

    def missing(self, *types: str) -> Iterator[Resource]:
        """The resources of some types that the stacks have not made yet."""
        for resource in self.plan.resources(*types):
            live = self.live.get(resource.stack.name)
            if not live or live.status in CREATION_FAILED or resource.logical_id not in live.owned:
                yield resource

    @cached_property
    def zones(self) -> dict[str, dict[str, Any]]:
        """The region's zones, by name and by zone id."""
        found = self.account.ask("ec2", "describe_availability_zones", AllAvailabilityZones=True)["AvailabilityZones"]
        return {zone[key]: zone for zone in found for key in ("ZoneName", "ZoneId")}

    @cached_property
    def zone_names(self) -> list[str]:
        """The names that the configured zones have in this account, of those that exist."""
        return [self.zones[zone]["ZoneName"] for zone in self.environment.network.zones if zone in self.zones]
