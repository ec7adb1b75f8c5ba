"""What `rollback` calls AWS with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_elasticache import ElastiCacheClient
    from mypy_boto3_rds import RDSClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_ssm import SSMClient


@dataclass(frozen=True, kw_only=True)
class Reads:
    """What evidence is read with."""

    cloudwatch: "CloudWatchClient"
    ecs: "ECSClient"
    elasticache: "ElastiCacheClient"
    rds: "RDSClient"


@dataclass(frozen=True, kw_only=True)
class Clients(Reads):
    """One client for each service, and the tables of incidents and of their records."""

    sns: "SNSClient"
    ssm: "SSMClient"
    incidents: "Table"
    records: "Table"
