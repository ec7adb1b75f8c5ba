"""What AWS has, by region, from the data that botocore and cfn-lint carry: nothing here asks AWS.

`make lock` brings newer data. What one account may use only AWS knows.
"""

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from typing import Any

from botocore.loaders import create_loader
from botocore.regions import EndpointResolver

from lambdas.common.instance_classes import memory_gib, most_connections

_CFN_LINT = Path(getattr(find_spec("cfnlint"), "origin", "")).parent
"""Its files are read without it: to import it takes longer than all else that a command of this project does first."""
_ENGINE = "postgres"


def closest(value: str, known: Iterable[str], otherwise: str) -> str:
    """The one of the known names that a mistyped value may have meant; another where it looks like none of them."""
    return next(iter(get_close_matches(value[:60].lower(), sorted(known), n=1)), otherwise)


@cache
def regions() -> frozenset[str]:
    """The regions of AWS's standard partition, the one that the names' ARNs are in."""
    # Not by a session, which fails when the environment's AWS_PROFILE is not in the person's files.
    known: list[str] = EndpointResolver(create_loader().load_data("endpoints")).get_available_endpoints("ec2")
    return frozenset(region for region in known if region in _zones() and region in _node_types())


@cache
def zones(region: str) -> tuple[str, ...]:
    """The names that a region's availability zones can have, in order; an account may see fewer of them.

    cfn-lint lists those of one account: of us-west-1 the zones a and c, where others have b.
    """
    last = max(zone[-1] for zone in _zones()[region])
    return tuple(f"{region}{chr(letter)}" for letter in range(ord("a"), ord(last) + 1))


@cache
def instance_classes(region: str, version: str) -> frozenset[str]:
    """The instance classes with which RDS has PostgreSQL in a region, and in a version where the lists know it."""
    offered = _classes(_list("aws_rds_dbinstance/dbinstanceclass_enum.json")[region])
    return offered & (_classes(_list("aws_rds_dbinstance/db_instance_class.json"), version) or offered)


@cache
def database_versions() -> frozenset[str]:
    """The versions of PostgreSQL that RDS has had; which of them it still makes an instance with only AWS knows."""
    (listed,) = (
        rule["then"]["properties"]["EngineVersion"]["enum"]
        for rule in _list("aws_rds_dbinstance/engine_version.json")["allOf"]
        if rule["if"]["properties"]["Engine"].get("const") == _ENGINE
    )
    return frozenset(listed)


def node_types(region: str) -> frozenset[str]:
    """The node types of ElastiCache in a region that the cache can be of.

    Not those of r6gd, which have to be made with data tiering.
    https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/data-tiering.html
    """
    return frozenset(kind for kind in _node_types()[region] if not kind.startswith("cache.r6gd."))


def class_for(connections: int, region: str, version: str, like: str) -> str | None:
    """The smallest instance class that serves so many connections, of the family of another where it has one."""
    family = like.rpartition(".")[0]
    enough = [
        (one.rpartition(".")[0] != family, memory_gib(one), one)
        for one in instance_classes(region, version)
        if (most_connections(one) or 0) >= connections
    ]
    return min(enough)[-1] if enough else None


def _classes(schema: Any, version: str | None = None) -> frozenset[str]:
    """The instance classes that a schema allows PostgreSQL; in a version, where it tells versions apart."""
    return frozenset(
        name
        for rule in schema["allOf"]
        for asked in [rule["if"]["properties"]]
        if asked["Engine"]["const"] == _ENGINE and (version is None or re.match(asked["EngineVersion"]["pattern"], version))
        for name in rule["then"]["properties"]["DBInstanceClass"]["enum"]
    )


@cache
def _zones() -> dict[str, list[str]]:
    return dict(run_path(str(_CFN_LINT / "helpers.py"))["AVAILABILITY_ZONES"])


def _node_types() -> dict[str, list[str]]:
    listed = _list("aws_elasticache_cachecluster/cachenodetype_enum.json")
    return {region: one["enum"] for region, one in listed.items() if isinstance(one, dict)}


@cache
def _list(name: str) -> Any:
    return json.loads((_CFN_LINT / "data/schemas/extensions" / name).read_text(encoding="utf-8"))
