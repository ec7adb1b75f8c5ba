"""WAF's IP sets refuse what AWS refuses, and a web ACL's own rules block what they say."""

import itertools
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from local.emulator import firewall

_names = (f"set-{number}" for number in itertools.count())
SETS = {"arn:four": ["203.0.113.0/24"], "arn:six": ["2001:db8::/32"]}
FORWARDED = {"HeaderName": "X-Forwarded-For", "Position": "LAST", "FallbackBehavior": "MATCH"}


@pytest.fixture
def waf(empty_cloud: Cloud) -> Any:
    return empty_cloud.client("wafv2")


def ip_set(waf: Any, version: str = "IPV4", *addresses: str) -> dict[str, str]:
    """A new IP set: what it takes to change it."""
    name = next(_names)
    made = waf.create_ip_set(Name=name, Scope="REGIONAL", IPAddressVersion=version, Addresses=list(addresses))["Summary"]
    return {"Name": name, "Scope": "REGIONAL", "Id": made["Id"], "LockToken": made["LockToken"]}


def test_an_ip_set_is_changed_by_who_read_it_last(waf: Any) -> None:
    found = ip_set(waf)
    waf.update_ip_set(**found, Addresses=["10.0.0.0/8"])
    with pytest.raises(ClientError, match="WAFOptimisticLockException"):
        waf.update_ip_set(**found, Addresses=[])
    with pytest.raises(ClientError, match="WAFOptimisticLockException"):
        waf.delete_ip_set(**found)
    kept = waf.get_ip_set(**{key: found[key] for key in ("Name", "Scope", "Id")})
    assert kept["IPSet"]["Addresses"] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    ("version", "address"),
    [("IPV4", "0.0.0.0/0"), ("IPV6", "::/0"), ("IPV4", "2001:db8::/32"), ("IPV6", "10.0.0.0/8"), ("IPV4", "10.0.0.1"),
     ("IPV4", "10.0.0.1/8"), ("IPV4", "everybody")],
)  # fmt: skip
def test_an_address_that_aws_does_not_take_is_refused(waf: Any, version: str, address: str) -> None:
    with pytest.raises(ClientError, match="WAFInvalidParameterException"):
        ip_set(waf, version, address)
    with pytest.raises(ClientError, match="WAFInvalidParameterException"):
        waf.update_ip_set(**ip_set(waf, version), Addresses=[address])


@pytest.fixture
def _sets(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [(arn, {"ARN": arn, "Addresses": addresses}) for arn, addresses in SETS.items()]
    monkeypatch.setattr(firewall.waf, "_ip_sets", SimpleNamespace(all_items=lambda: made))


def blocking(statement: dict[str, Any]) -> dict[str, Any]:
    """A web ACL that blocks what a statement matches."""
    custom = {"ResponseCode": 503, "ResponseHeaders": [{"Name": "Retry-After", "Value": "300"}]}
    action = {"Block": {"CustomResponse": custom}}
    return {"Rules": [{"Priority": 0, "Name": "One", "Statement": statement, "Action": action}]}


def within(arn: str, **more: Any) -> dict[str, Any]:
    return {"IPSetReferenceStatement": {"Arn": arn, **more}}


OF_HEADER = within("arn:four", IPSetForwardedIPConfig=FORWARDED)


@pytest.mark.usefixtures("_sets")
@pytest.mark.parametrize(
    ("statement", "source", "header", "blocked"),
    [
        (within("arn:four"), "203.0.113.7", None, True),
        (within("arn:four"), "198.51.100.7", None, False),
        (within("arn:four"), "2001:db8::7", None, False),
        (within("arn:six"), "2001:db8::7", None, True),
        ({"NotStatement": {"Statement": within("arn:four")}}, "198.51.100.7", None, True),
        (OF_HEADER, "198.51.100.7", "198.51.100.1, 203.0.113.7", True),
        (OF_HEADER, "203.0.113.7", "203.0.113.7, 198.51.100.1", False),
        (OF_HEADER, "198.51.100.7", "nonsense", True),
        (OF_HEADER, "203.0.113.7", None, False),
        ({"NotStatement": {"Statement": OF_HEADER}}, "203.0.113.7", None, False),  # without the header the rule is not applied
        ({"OrStatement": {"Statements": [within("arn:four"), OF_HEADER]}}, "203.0.113.7", None, False),
    ],
)
def test_a_rule_blocks_what_its_statement_matches(
    statement: dict[str, Any], source: str, header: str | None, blocked: bool
) -> None:
    found = firewall.judged(blocking(statement), source, {"X-Forwarded-For": header} if header else {})
    assert (found is not None) == blocked
    assert found is None or (found.status, found.headers) == (503, {"Retry-After": "300"})


def test_a_statement_that_is_not_judged_here_is_no_silent_yes() -> None:
    with pytest.raises(ValueError, match="judges no GeoMatchStatement"):
        firewall.judged(blocking({"GeoMatchStatement": {"CountryCodes": ["DE"]}}), "203.0.113.7", {})
