"""The checks: each asks AWS for one thing that a deployment needs, and says that it is so, or what to do."""

from collections.abc import Callable
from dataclasses import dataclass

from local.preflight.account import NotKnown
from local.preflight.case import Answer, Answers, Case
from local.preflight.hosts import certificates, hosted_zone
from local.preflight.names import buckets, names
from local.preflight.offers import cache, database, endpoints, layers, service_roles, zones
from local.preflight.people import image, pagerduty, secrets, slack
from local.preflight.place import bootstrap, identity, region, stacks
from local.preflight.quotas import concurrency, fargate, log_policies, quotas


@dataclass(frozen=True)
class Check:
    """A check's name on its lines, what it asks, and the function that asks it."""

    name: str
    asks: str
    function: Callable[[Case], Answers]

    def answers(self, case: Case) -> list[Answer]:
        """What there is to do, or that all is well; "not known" with what is missing, where something cannot be asked."""
        answers: list[Answer] = []
        try:
            answers.extend(self.function(case))
        except NotKnown as why:
            answers.append(Answer("not known", str(why)))
        except (KeyError, TypeError, ValueError) as error:  # no answer may stop the checks that follow
            answers.append(Answer("not known", f"AWS's answer could not be read ({type(error).__name__}: {error})"))
        return [answer for answer in answers if answer.state != "ok"] or answers


IDENTITY = Check("credentials", "whose credentials these are", identity)
"""The first check: another account's answers to the others would be wrong."""

CHECKS = (
    IDENTITY,
    Check("region", "whether the account has the region enabled", region),
    Check("bootstrap", "the version of CDK's bootstrap in each region that is deployed to", bootstrap),
    Check("stacks", "the state of each stack that is there already", stacks),
    Check("hosted zone", "whether it is in this account, public, the right one, and delegated", hosted_zone),
    Check("certificates", "whether those that are named are issued and fit, or CAA records let ACM issue them", certificates),
    Check("zones", "whether they exist in this account, are available and have Fargate", zones),
    Check("endpoints", "whether each service with an interface endpoint has one in every zone", endpoints),
    Check("database", "whether the engine version, instance class and storage are offered in the zones", database),
    Check("cache", "whether the engine version and node type are offered in the region", cache),
    Check("layer", "whether the functions' layer can be read", layers),
    Check("service roles", "which service-linked roles are there", service_roles),
    Check(
        "quotas", "VPCs, internet gateways, Elastic IPs and load balancers: the quota, what is there, and what comes", quotas
    ),
    Check("Fargate", "whether the vCPU quota allows a rollout at 200 % of the most tasks", fargate),
    Check("log policies", "how many resource policies of CloudWatch Logs are there", log_policies),
    Check("concurrency", "how much Lambda concurrency can be reserved", concurrency),
    Check("names", "whether each fixed name of the templates is free, or belongs to the environment's own stacks", names),
    Check("buckets", "whether each bucket name is free in all of AWS, or is our stacks' own", buckets),
    Check("image", "whether an image is named, is in the repository, and is for the right processor", image),
    Check(
        "secrets", "whether the secrets that the configuration names are there, have a value and a key that is enabled", secrets
    ),
    Check("PagerDuty", "whether its event source is there, and associated with an event bus", pagerduty),
    Check("Slack", "whether the workspace is authorized", slack),
)
