"""The policy packs, and every acknowledged finding: on one construct, by its full id, with the reason why this is right.

`python -m stacks.policy` lists them. A finding that is not here fails `cdk synth`; a line here that no pack finds any more
fails the tests.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks, NagPack, NIST80053R5Checks
from constructs import Construct


@dataclass(frozen=True)
class Acknowledgement:
    """The findings `ids` on the construct at `path` below its stack are right because of `reason`, in these environments."""

    path: str
    ids: tuple[str, ...]
    reason: str
    environments: tuple[str, ...] = ("production", "staging")


_ACCESS_LOGS = (
    Acknowledgement(
        "AccessLogs/Resource",
        ("NIST.800.53.R5-S3DefaultEncryptionKMS",),
        "Access logs cannot be delivered under a customer key: the bucket has S3's own encryption.",
    ),
    Acknowledgement(
        "AccessLogs/Resource",
        ("AwsSolutions-S1", "NIST.800.53.R5-S3BucketLoggingEnabled"),
        "This is the bucket that access logs go to; logging its own deliveries would never end.",
    ),
    Acknowledgement(
        "AccessLogs/Resource",
        ("NIST.800.53.R5-S3BucketReplicationEnabled",),
        "Access logs are evidence for weeks, not data to survive a region; a replica would double their cost.",
    ),
)

# By component, then in the order of the stack's own code.
ACKNOWLEDGEMENTS: dict[str, tuple[Acknowledgement, ...]] = {
    "network": (),
    "load-balancer": (),
    "database": (),
    "cache": (),
    "registry": (),
    "backend": (),
    "frontend": (),
    "remediation": (),
    "monitoring": (),
}


def packs(app: cdk.App) -> list[NagPack]:
    """The packs every template has to pass."""
    return [AwsSolutionsChecks(app, verbose=True), NIST80053R5Checks(app, verbose=True)]


def acknowledge(environment: str, stacks: Iterable[cdk.Stack]) -> None:
    """Put the acknowledgements on their constructs. KeyError names a path that no construct has."""
    for stack in stacks:
        for entry in ACKNOWLEDGEMENTS[stack.node.id]:
            if environment in entry.environments:
                validations = cdk.Validations.of(_find(stack, entry.path))
                for finding in entry.ids:
                    validations.acknowledge(cdk.Acknowledgment(id=finding, reason=entry.reason))


def _find(stack: cdk.Stack, path: str) -> Construct:
    construct: Construct = stack
    for part in path.split("/"):
        child = construct.node.try_find_child(part)
        if child is None:
            raise KeyError(f"stacks/policy.py: {stack.node.id} has no construct {path}: take the acknowledgement out")
        construct = child
    return construct


if __name__ == "__main__":
    for component, entries in ACKNOWLEDGEMENTS.items():
        for entry in entries:
            where = "" if len(entry.environments) > 1 else f" ({entry.environments[0]} only)"
            print(f"{component}/{entry.path}{where}\n  {', '.join(entry.ids)}\n  {entry.reason}\n")
