"""The web ACLs before a site: whoever is in their IP sets of maintenance is kept out. The sets are moto's."""

from typing import Any

from lambdas.common.https import Answer
from tests.environments import PRODUCTION

from ..world import client_in
from .conftest import Site

SCOPES = {"REGIONAL": PRODUCTION.region, "CLOUDFRONT": "us-east-1"}
VERSIONS = ("IPV4", "IPV6")


def firewall(scope: str) -> Any:
    """WAF's API where a scope's is."""
    return client_in(SCOPES[scope], "wafv2")


def make_ip_sets() -> None:
    """The IP sets as a deployment makes them."""
    for scope in SCOPES:
        for version in VERSIONS:
            firewall(scope).create_ip_set(
                Name=PRODUCTION.maintenance_addresses(version), Scope=scope, IPAddressVersion=version, Addresses=[]
            )


def addresses(scope: str, version: str) -> set[str]:
    """What an IP set has; nothing where there is none."""
    name, waf = PRODUCTION.maintenance_addresses(version), firewall(scope)
    return {
        address
        for one in waf.list_ip_sets(Scope=scope)["IPSets"]
        if one["Name"] == name
        for address in waf.get_ip_set(Name=name, Scope=scope, Id=one["Id"])["IPSet"]["Addresses"]
    }


class Edge:
    """A site behind its web ACLs, as a user sees it."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def get(self, url: str, *rest: Any, **more: Any) -> Answer:
        scope = "CLOUDFRONT" if url.startswith(PRODUCTION.frontend_url) else "REGIONAL"
        if any(addresses(scope, version) for version in VERSIONS):
            return Answer(503, "text/html", b"maintenance", "300")
        return self._site.get(url, *rest, **more)
