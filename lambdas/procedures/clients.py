"""What `procedures` calls AWS with."""

from dataclasses import dataclass
from typing import Any

from lambdas.rollback.clients import Clients as RollbackClients


@dataclass(frozen=True, kw_only=True)
class Clients(RollbackClients):
    """One client for each service, and the tables of incidents and of their records: those that automation has, and more."""

    autoscaling: Any
    cloudfront: Any
    ecr: Any
    frontend_wafv2: Any
    """In us-east-1, where the web ACL of CloudFront is."""
    logs: Any
    s3: Any
    secrets: Any
    wafv2: Any
