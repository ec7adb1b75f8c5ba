"""The host names: their hosted zone, its delegation, and their certificates."""

from local.preflight.case import CLOUDFRONT_REGION, Answers, Case, fix, ok
from local.preflight.dns import lookup


def hosted_zone(case: Case) -> Answers:
    domain = case.environment.domain
    if not domain.hosted_zone_id:
        yield ok("none is needed: the configuration has certificates")
        return
    # Not by its id at once: of another account's zone AWS only says that it is denied.
    listed = case.account.ask("route53", "list_hosted_zones")["HostedZones"]
    ids = {one["Id"].rpartition("/")[2]: one for one in listed}
    zone = ids.get(domain.hosted_zone_id)
    named = [id_ for id_, one in ids.items() if one["Name"] == f"{domain.zone}." and not one["Config"]["PrivateZone"]]
    right = f"set domain.hosted_zone_id in {case.file} to " + (
        " or ".join(named) or f"what aws route53 create-hosted-zone --caller-reference 1 --name {domain.zone} makes"
    )
    if not zone:
        yield fix(f"the account has no hosted zone {domain.hosted_zone_id}: {right}")
    elif zone["Config"]["PrivateZone"]:
        yield fix(f"{domain.hosted_zone_id} is a private zone: {right}")
    elif domain.hosted_zone_id not in named:
        yield fix(f"{domain.hosted_zone_id} is the zone {zone['Name'].rstrip('.')}, not {domain.zone}: {right}")
    else:
        yield ok(f"{domain.hosted_zone_id} is {domain.zone}")
        found = case.account.ask("route53", "get_hosted_zone", Id=domain.hosted_zone_id)
        yield from _delegated(case, found["DelegationSet"]["NameServers"])


def _delegated(case: Case, servers: list[str]) -> Answers:
    """Whether the internet's DNS finds the zone: its certificates cannot be validated before."""
    zone = case.environment.domain.zone
    own = {server.rstrip(".").lower() for server in servers}
    found = {server.rstrip(".").lower() for server in lookup(case.resolver, zone, "NS")}
    records = ", ".join(sorted(own))
    if found and found <= own:
        yield ok(f"{zone} is delegated to it")
    elif found:
        yield fix(
            f"{zone} is delegated to {', '.join(sorted(found))}: put {records} there, as its NS records in the parent zone"
        )
    else:
        yield fix(f"{zone} is not delegated: put {records} as its NS records into the parent zone, or at the registrar")


AMAZON_CAS = ("amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com")
"""https://docs.aws.amazon.com/acm/latest/userguide/setup-caa.html"""


def certificates(case: Case) -> Answers:
    domain = case.environment.domain
    if domain.hosted_zone_id:
        yield from _authority(case)
        return
    for key, host, arn, needed in (
        ("certificate_arn", domain.api, domain.certificate_arn, case.environment.region),
        ("frontend_certificate_arn", domain.frontend, domain.frontend_certificate_arn, CLOUDFRONT_REGION),
    ):
        where = str(arn).split(":")[3]
        if where != needed:
            yield fix(f"domain.{key} in {case.file} is a certificate of {where}: it should be one of {needed}")
            continue
        answer = case.account.ask(
            "acm", "describe_certificate", absent=("ResourceNotFoundException",), region=where, CertificateArn=arn
        )
        certificate = answer.get("Certificate", {})
        names = {certificate.get("DomainName", ""), *certificate.get("SubjectAlternativeNames", ())}
        if not certificate:
            yield fix(f"the account has no certificate {arn}: set domain.{key} in {case.file}")
        elif certificate["Status"] != "ISSUED":
            yield fix(
                f"the certificate of domain.{key} is {certificate['Status']}: validate it, or name another in {case.file}"
            )
        elif not {host, f"*.{host.partition('.')[2]}"} & names:
            yield fix(
                f"the certificate of domain.{key} is for {', '.join(sorted(names))}, not {host}: name another in {case.file}"
            )
        else:
            yield ok(f"{host} has one")


def _authority(case: Case) -> Answers:
    """The nearest CAA records of a host name, its own or a parent's, decide who may issue its certificate (RFC 8659)."""
    for host in (case.environment.domain.api, case.environment.domain.frontend):
        labels = host.split(".")
        for name in (".".join(labels[start:]) for start in range(len(labels) - 1)):
            issuers = [record for record in lookup(case.resolver, name, "CAA") if " issue " in record]
            if issuers and not any(authority in record for record in issuers for authority in AMAZON_CAS):
                yield fix(f'the CAA records of {name} let ACM issue no certificate of {host}: add 0 issue "amazon.com"')
            if issuers:
                break
    yield ok("ACM issues them, no CAA record forbids it")
