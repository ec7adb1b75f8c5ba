"""AWS WAF in the local cloud: which requests a web ACL's own rules block, and what it answers then.

Judged are IP sets, labels, and what puts statements together. AWS's managed rules and rate limits let everything pass here.

Replaced in ministack 1.5.33, in `waf`:
- `create_web_acl_record`, `update_web_acl_record`: called through; the bodies of custom responses are kept.
- the actions on IP sets: what AWS refuses is refused. https://docs.aws.amazon.com/waf/latest/APIReference/API_UpdateIPSet.html
"""

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from ministack.services import waf

from stacks.environment import Environment

Headers = Mapping[str, str]
Members = Mapping[str, Any]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MOST_ADDRESSES = 10_000
"""https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-ipset-match.html"""
_MOST_BYTES = 4096
"""Of a custom response: https://docs.aws.amazon.com/waf/latest/developerguide/limits.html"""
_OF_AWS = ("ManagedRuleGroupStatement", "RateBasedStatement")


@dataclass(frozen=True)
class Blocked:
    """What AWS WAF answers in place of what it protects."""

    status: HTTPStatus
    content_type: str
    body: str
    headers: Headers


class _NotAppliedError(Exception):
    """A rule asks for a header that the request does not have: it is not applied at all.
    https://docs.aws.amazon.com/waf/latest/APIReference/API_IPSetForwardedIPConfig.html"""


@dataclass(frozen=True)
class _Request:
    source: str
    headers: Headers
    labels: set[str]


class Firewall:
    """The web ACLs of an environment as they are now."""

    def __init__(self, environment: Environment) -> None:
        self._names = {"REGIONAL": environment.web_acl, "CLOUDFRONT": environment.frontend_web_acl}

    def blocks(self, scope: str, source: str, headers: Headers) -> Blocked | None:
        """What the web ACL of a scope answers to a request from an address; None where it lets it pass, or there is none."""
        for _, acl in waf._web_acls.all_items():
            if (acl["Scope"], acl["Name"]) == (scope, self._names[scope]) and _protects(acl):
                return judged(acl, source, headers)
        return None


def _protects(acl: Members) -> bool:
    """Whether a web ACL is associated with something; a distribution names its own."""
    return acl["Scope"] == "CLOUDFRONT" or any(arn == acl["ARN"] for _, arn in waf._associations.all_items())


def judged(acl: Members, source: str, headers: Headers) -> Blocked | None:
    """What a web ACL answers to a request; None where it lets it pass."""
    request = _Request(source, {name.lower(): value for name, value in headers.items()}, set())
    for rule in sorted(acl["Rules"], key=lambda one: int(one["Priority"])):
        if any(kind in rule["Statement"] for kind in _OF_AWS) or not _applies(rule["Statement"], request):
            continue
        request.labels.update(label["Name"] for label in rule.get("RuleLabels", ()))
        if "Block" in rule["Action"]:
            return _response(acl, rule["Action"]["Block"].get("CustomResponse", {}))
    return None


def _response(acl: Members, custom: Members) -> Blocked:
    body = acl.get("CustomResponseBodies", {}).get(custom.get("CustomResponseBodyKey"), {})
    kind = {"TEXT_HTML": "text/html", "APPLICATION_JSON": "application/json"}.get(body.get("ContentType"), "text/plain")
    headers = {one["Name"]: one["Value"] for one in custom.get("ResponseHeaders", ())}
    return Blocked(HTTPStatus(int(custom.get("ResponseCode", 403))), kind, body.get("Content", ""), headers)


def _applies(statement: Members, request: _Request) -> bool:
    try:
        return _matches(statement, request)
    except _NotAppliedError:
        return False


def _matches(statement: Members, request: _Request) -> bool:
    ((kind, of),) = statement.items()
    match kind:
        case "AndStatement":
            found = [_matches(one, request) for one in of["Statements"]]  # each, as any may ask for a header
            return all(found)
        case "OrStatement":
            found = [_matches(one, request) for one in of["Statements"]]
            return any(found)
        case "NotStatement":
            return not _matches(of["Statement"], request)
        case "LabelMatchStatement":
            return of["Key"] in request.labels
        case "IPSetReferenceStatement":
            return _in(of, request)
    raise ValueError(f"The local cloud judges no {kind}.")


def _in(of: Members, request: _Request) -> bool:
    """Whether an IP set has a request's address, or the one that a header forwards."""
    address, fallback = request.source, False
    if forwarded := of.get("IPSetForwardedIPConfig"):
        header = request.headers.get(forwarded["HeaderName"].lower())
        if header is None:
            raise _NotAppliedError
        address = [one.strip() for one in header.split(",")][{"FIRST": 0, "LAST": -1}[forwarded["Position"]]]
        fallback = forwarded["FallbackBehavior"] == "MATCH"
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return fallback
    (listed,) = (one["Addresses"] for _, one in waf._ip_sets.all_items() if one["ARN"] == of["Arn"])
    return any(found in network for network in map(ipaddress.ip_network, listed) if network.version == found.version)


# What is plugged in


def install() -> None:
    """Plug in."""
    create_record, update_record = waf.create_web_acl_record, waf.update_web_acl_record
    create, update, delete = waf._create_ip_set, waf._update_ip_set, waf._delete_ip_set

    def created(name: str, scope: str, properties: Members) -> Any:
        uid, arn, record = create_record(name, scope, properties)
        record["CustomResponseBodies"] = _bodies(properties)
        return uid, arn, record

    def updated(acl: dict[str, Any], properties: Members) -> Any:
        acl["CustomResponseBodies"] = _bodies(properties)
        return update_record(acl, properties)

    waf.create_web_acl_record, waf.update_web_acl_record = created, updated
    waf._create_ip_set = lambda request: _refused(request) or create(request)
    waf._update_ip_set = lambda request: _stale(request) or _refused(request) or update(request)
    waf._delete_ip_set = lambda request: _stale(request) or delete(request)


def _bodies(properties: Members) -> Members:
    bodies: Members = properties.get("CustomResponseBodies", {})
    for name, body in bodies.items():
        if len(body["Content"].encode()) > _MOST_BYTES:
            raise ValueError(f"The custom response body {name} has more than {_MOST_BYTES} bytes.")
    return bodies


def _found(request: Members) -> Members:
    found: Members = waf._resource_from_scope(waf._ip_sets, request.get("Id", ""), request.get("Scope", "REGIONAL")) or {}
    return found


def _stale(request: Members) -> Any:
    """The refusal of a request whose lock token is not the newest."""
    found = _found(request)
    if found and request.get("LockToken") != found["LockToken"]:
        return waf._waf_err("WAFOptimisticLockException", "AWS WAF couldn't save your changes: somebody else changed it.")
    return None


def _refused(request: Members) -> Any:
    """The refusal of addresses that an IP set does not take."""
    addresses = request.get("Addresses", [])
    version = {"IPV4": 4, "IPV6": 6}[request.get("IPAddressVersion") or _found(request).get("IPAddressVersion", "IPV4")]
    try:
        networks = [ipaddress.ip_network(one) for one in addresses if "/" in one]
    except ValueError:
        networks = []
    if any(one.version != version or not one.prefixlen for one in networks) or len(networks) != len(addresses):
        return waf._waf_err("WAFInvalidParameterException", f"{json.dumps(addresses)} are not CIDR blocks of IPv{version}.")
    if len(addresses) > _MOST_ADDRESSES:
        return waf._waf_err("WAFLimitsExceededException", f"An IP set holds {_MOST_ADDRESSES} addresses.")
    return None


def to_delete(ref: str, _: Members) -> dict[str, Any]:
    """The parameters of DeleteIPSet for what CloudFormation calls an IP set."""
    name, uid, scope = ref.split("|")
    return {"Name": name, "Id": uid, "Scope": scope, "LockToken": _found({"Id": uid, "Scope": scope}).get("LockToken", "-")}
