"""The host names."""

import pytest

from stacks.environment import Domain, Environment
from tests.environments import PRODUCTION

from .aws import Aws, case, line, lines
from .conftest import Serve
from .web import records

ZONE = PRODUCTION.domain.zone
OWN = ("ns-1.awsdns-01.org.", "ns-2.awsdns-02.com.")


def with_domain(**keys: str | None) -> Environment:
    domain = PRODUCTION.domain.model_dump() | keys
    return PRODUCTION.model_copy(update={"domain": Domain.model_validate(domain)})


class TestHostedZone:
    """It is in this account, public, the right one, and delegated."""

    def zone(self, aws: Aws, id_: str = "Z0EXAMPLEPROD", name: str = f"{ZONE}.", *, private: bool = False) -> None:
        zone = {"Id": f"/hostedzone/{id_}", "Name": name, "CallerReference": "x", "Config": {"PrivateZone": private}}
        aws.answer("route53", "ListHostedZones", {"HostedZones": [zone], "Marker": "", "IsTruncated": False, "MaxItems": "100"})
        aws.answer("route53", "GetHostedZone", {"HostedZone": zone, "DelegationSet": {"NameServers": OWN}})

    def resolver(self, serve: Serve, *servers: str) -> str:
        return serve({f"/?name={ZONE}&type=NS": records(2, *servers)}) + "/"

    def test_one_that_is_delegated_is_ok(self, aws: Aws, serve: Serve) -> None:
        self.zone(aws)
        assert lines("hosted zone", case(aws, resolver=self.resolver(serve, *OWN))) == [
            f"ok: Z0EXAMPLEPROD is {ZONE}",
            f"ok: {ZONE} is delegated to it",
        ]

    def test_without_one_it_has_to_be_made(self, aws: Aws) -> None:
        assert line("hosted zone", case(aws)) == (
            "fix: the account has no hosted zone Z0EXAMPLEPROD: set domain.hosted_zone_id in config/production.toml to what "
            f"aws route53 create-hosted-zone --caller-reference 1 --name {ZONE} makes"
        )

    def test_the_zone_of_that_name_is_proposed(self, aws: Aws) -> None:
        self.zone(aws, "Z0REAL")
        assert line("hosted zone", case(aws)) == (
            "fix: the account has no hosted zone Z0EXAMPLEPROD: set domain.hosted_zone_id in config/production.toml to Z0REAL"
        )

    def test_a_private_one_validates_no_certificate(self, aws: Aws) -> None:
        self.zone(aws, private=True)
        assert line("hosted zone", case(aws)).startswith("fix: Z0EXAMPLEPROD is a private zone: set domain.hosted_zone_id in")

    def test_one_of_another_name_is_not_it(self, aws: Aws) -> None:
        self.zone(aws, name="else.example.")
        assert line("hosted zone", case(aws)).startswith(f"fix: Z0EXAMPLEPROD is the zone else.example, not {ZONE}: set domain")

    def test_one_without_delegation_is_found_by_nobody(self, aws: Aws, serve: Serve) -> None:
        self.zone(aws)
        assert line("hosted zone", case(aws, resolver=self.resolver(serve))) == (
            f"fix: {ZONE} is not delegated: put ns-1.awsdns-01.org, ns-2.awsdns-02.com as its NS records into the parent zone, or "
            "at the registrar"
        )

    def test_a_delegation_to_others_has_to_change(self, aws: Aws, serve: Serve) -> None:
        self.zone(aws)
        assert line("hosted zone", case(aws, resolver=self.resolver(serve, "ns1.registrar.example."))) == (
            f"fix: {ZONE} is delegated to ns1.registrar.example: put ns-1.awsdns-01.org, ns-2.awsdns-02.com there, as its NS "
            "records in the parent zone"
        )

    def test_without_the_internet_the_delegation_is_not_known(self, aws: Aws) -> None:
        self.zone(aws)
        assert line("hosted zone", case(aws)).startswith("not known: http://127.0.0.1:9/ did not answer (")

    def test_a_resolver_that_answers_nonsense_is_not_believed(self, aws: Aws, serve: Serve) -> None:
        self.zone(aws)
        assert line("hosted zone", case(aws, resolver=f"{serve({})}/")).startswith("not known: ")


class TestCertificates:
    """Those that the configuration names instead of a zone."""

    API = "arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555"

    def asked(self, aws: Aws, arn: str = API) -> list[str]:
        environment = with_domain(hosted_zone_id=None, certificate_arn=arn, frontend_certificate_arn=self.API)
        return lines("certificates", case(aws, environment=environment))

    def certificate(self, aws: Aws, *names: str, status: str = "ISSUED") -> None:
        certificate = {"DomainName": names[0], "SubjectAlternativeNames": names, "Status": status}
        aws.answer("acm", "DescribeCertificate", {"Certificate": certificate})

    def test_an_issued_wildcard_fits_both(self, aws: Aws) -> None:
        self.certificate(aws, f"*.{ZONE}")
        assert self.asked(aws) == [f"ok: api.{ZONE} has one", f"ok: app.{ZONE} has one"]

    def test_one_that_is_not_there_is_named_with_its_key(self, aws: Aws) -> None:
        assert self.asked(aws) == [
            f"fix: the account has no certificate {self.API}: set domain.certificate_arn in config/production.toml",
            f"fix: the account has no certificate {self.API}: set domain.frontend_certificate_arn in config/production.toml",
        ]

    def test_one_that_waits_for_validation_cannot_be_used(self, aws: Aws) -> None:
        self.certificate(aws, f"*.{ZONE}", status="PENDING_VALIDATION")
        assert self.asked(aws)[0] == (
            "fix: the certificate of domain.certificate_arn is PENDING_VALIDATION: validate it, or name another in "
            "config/production.toml"
        )

    def test_one_for_another_host_does_not_fit(self, aws: Aws) -> None:
        self.certificate(aws, f"app.{ZONE}")
        assert self.asked(aws) == [
            f"fix: the certificate of domain.certificate_arn is for app.{ZONE}, not api.{ZONE}: name another in "
            "config/production.toml"
        ]

    def test_the_load_balancers_belongs_to_its_region(self, aws: Aws) -> None:
        self.certificate(aws, f"*.{ZONE}")
        assert self.asked(aws, self.API.replace("us-east-1", "eu-west-1")) == [
            "fix: domain.certificate_arn in config/production.toml is a certificate of eu-west-1: it should be one of us-east-1"
        ]


class TestAuthority:
    """CAA records can forbid ACM to issue a certificate."""

    def resolver(self, serve: Serve, **data: tuple[str, ...]) -> str:
        hosts = {"api": f"api.{ZONE}", "app": f"app.{ZONE}", "zone": ZONE}
        return serve({f"/?name={host}&type=CAA": records(257, *data.get(key, ())) for key, host in hosts.items()}) + "/"

    def test_without_records_anybody_may(self, aws: Aws, serve: Serve) -> None:
        asked = case(aws, resolver=self.resolver(serve))
        assert line("certificates", asked) == "ok: ACM issues them, no CAA record forbids it"

    @pytest.mark.parametrize("authority", ["amazon.com", "amazontrust.com", "awstrust.com", "amazonaws.com"])
    def test_each_of_amazons_names_allows_it(self, aws: Aws, serve: Serve, authority: str) -> None:
        records = ('0 issue "letsencrypt.org"', f'0 issue "{authority}"')
        asked = case(aws, resolver=self.resolver(serve, zone=records))
        assert line("certificates", asked).startswith("ok: ")

    def test_a_zone_that_names_only_others_forbids_it(self, aws: Aws, serve: Serve) -> None:
        asked = case(aws, resolver=self.resolver(serve, zone=('0 issue "letsencrypt.org"',)))
        assert lines("certificates", asked) == [
            f'fix: the CAA records of {ZONE} let ACM issue no certificate of {host}: add 0 issue "amazon.com"'
            for host in (f"api.{ZONE}", f"app.{ZONE}")
        ]

    def test_the_hosts_own_records_count_before_the_zones(self, aws: Aws, serve: Serve) -> None:
        asked = case(
            aws,
            resolver=self.resolver(
                serve, api=('0 issue "amazon.com"',), app=('0 issue "amazon.com"',), zone=('0 issue "letsencrypt.org"',)
            ),
        )
        assert line("certificates", asked).startswith("ok: ")

    def test_records_about_other_things_forbid_nothing(self, aws: Aws, serve: Serve) -> None:
        asked = case(aws, resolver=self.resolver(serve, zone=('0 iodef "mailto:security@example.com"',)))
        assert line("certificates", asked).startswith("ok: ")
