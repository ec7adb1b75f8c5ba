"""What people make beside the stacks."""

import json

import pytest

from stacks.environment import Contacts, Environment, Sentry, Slack
from tests.environments import PRODUCTION

from .aws import Aws, case, line, lines, stack
from .conftest import Serve

REGISTRY = stack("registry", Repository=("AWS::ECR::Repository", {"RepositoryName": PRODUCTION.repository}))
BACKEND = stack("backend", Task=("AWS::ECS::TaskDefinition", {"RuntimePlatform": {"CpuArchitecture": "X86_64"}}))
URI = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{PRODUCTION.repository}"
PUT = "aws ssm put-parameter --region us-east-1 --type String --overwrite --name /hz-navigator/production/backend/image --value"
INDEX = "application/vnd.oci.image.index.v1+json"


class TestImage:
    """It is named, in the repository, and for the service's processor."""

    @pytest.fixture(autouse=True)
    def _registry(self, aws: Aws) -> None:
        aws.client("ecr").create_repository(repositoryName=PRODUCTION.repository)
        aws.stands(REGISTRY)

    def name(self, aws: Aws, uri: str) -> None:
        aws.client("ssm").put_parameter(Name=PRODUCTION.image_parameter, Value=uri, Type="String")

    def found(self, aws: Aws, manifest: dict[str, object]) -> None:
        aws.answer("ecr", "BatchGetImage", {"images": [{"imageManifest": json.dumps(manifest)}], "failures": []})

    def index(self, *architectures: str) -> dict[str, object]:
        platforms = [{"os": "linux", "architecture": architecture} for architecture in architectures]
        return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"platform": platform} for platform in platforms]}

    def test_before_the_registry_it_is_a_later_step(self, aws: Aws) -> None:
        registry = stack("registry-to-be", Repository=("AWS::ECR::Repository", {}))
        assert line("image", case(aws, registry, BACKEND)) == (
            "later: push the first image and name it in /hz-navigator/production/backend/image after cdk deploy "
            "production/registry"
        )

    def test_after_the_registry_it_has_to_be_named(self, aws: Aws) -> None:
        assert line("image", case(aws, REGISTRY, BACKEND)) == (f"fix: no image is named: push one, then {PUT} {URI}:COMMIT")

    def test_one_that_was_not_pushed_cannot_run(self, aws: Aws) -> None:
        self.name(aws, f"{URI}:a1b2c3")
        assert line("image", case(aws, REGISTRY, BACKEND)) == (
            f"fix: there is no image {URI}:a1b2c3: push it, or name another with {PUT} IMAGE"
        )

    @pytest.mark.parametrize("reference", [":a1b2c3", f"@sha256:{'0' * 64}"])
    def test_an_index_with_the_processor_is_ok(self, aws: Aws, reference: str) -> None:
        self.name(aws, URI + reference)
        self.found(aws, self.index("arm64", "amd64", "unknown"))
        assert line("image", case(aws, REGISTRY, BACKEND)) == f"ok: {URI}{reference} is there, for amd64"

    def test_one_for_another_processor_does_not_start(self, aws: Aws) -> None:
        self.name(aws, f"{URI}:a1b2c3")
        self.found(aws, self.index("arm64", "unknown"))
        assert line("image", case(aws, REGISTRY, BACKEND)) == (
            f"fix: {URI}:a1b2c3 is for arm64: build it with --platform linux/amd64 and push it again"
        )

    @pytest.mark.parametrize(("architecture", "state"), [("amd64", "ok: "), ("arm64", "fix: ")])
    def test_a_single_image_says_its_processor_in_its_settings(
        self, aws: Aws, serve: Serve, architecture: str, state: str
    ) -> None:
        self.name(aws, f"{URI}:a1b2c3")
        digest = f"sha256:{'1' * 64}"
        self.found(aws, {"schemaVersion": 2, "config": {"digest": digest}, "layers": []})
        url = serve({"/config": {"architecture": architecture, "os": "linux"}})
        aws.answer("ecr", "GetDownloadUrlForLayer", {"downloadUrl": f"{url}/config", "layerDigest": digest})
        assert line("image", case(aws, REGISTRY, BACKEND)).startswith(f"{state}{URI}:a1b2c3 is")

    def test_settings_that_cannot_be_read_are_not_known(self, aws: Aws, serve: Serve) -> None:
        self.name(aws, f"{URI}:a1b2c3")
        self.found(aws, {"config": {"digest": f"sha256:{'1' * 64}"}})
        aws.answer("ecr", "GetDownloadUrlForLayer", {"downloadUrl": f"{serve({})}/config"})
        assert line("image", case(aws, REGISTRY, BACKEND)) == (
            "not known: the settings of the image could not be read (HTTP Error 404: Not Found)"
        )

    def test_one_of_another_registry_is_not_read(self, aws: Aws) -> None:
        self.name(aws, "docker.io/acme/backend:1")
        assert line("image", case(aws, REGISTRY, BACKEND)) == (
            "not known: docker.io/acme/backend:1 is in a registry that preflight does not read: ECS has to be able to pull it"
        )


EMAIL = "on-call@hz-navigator.com"
TOKEN = "hz-navigator-sentry-token"
URL = "hz-navigator-production-pagerduty-url"
SENTRY = Sentry(organization="hz-navigator", project="backend", token_secret=TOKEN)


def environment(*, url: str | None = None, sentry: Sentry | None = None) -> Environment:
    return PRODUCTION.model_copy(update={"contacts": Contacts(email=EMAIL, pagerduty_url_secret=url), "sentry": sentry})


class TestSecrets:
    """Those that the configuration names can be read."""

    def test_without_any_there_is_nothing_to_read(self, aws: Aws) -> None:
        assert line("secrets", case(aws, environment=environment())) == "ok: none are named"

    def test_those_with_a_value_are_ok(self, aws: Aws) -> None:
        for name in (URL, TOKEN):
            aws.client("secretsmanager").create_secret(Name=name, SecretString="x")
        assert lines("secrets", case(aws, environment=environment(url=URL, sentry=SENTRY))) == [f"ok: {URL}", f"ok: {TOKEN}"]

    def test_one_that_is_not_there_has_to_be_made(self, aws: Aws) -> None:
        assert line("secrets", case(aws, environment=environment(url=URL))) == (
            f"fix: there is no secret {URL} (contacts.pagerduty_url_secret in config/production.toml): aws secretsmanager "
            f"create-secret --region us-east-1 --name {URL} --secret-string VALUE"
        )

    def test_one_that_waits_for_its_deletion_has_to_be_restored(self, aws: Aws) -> None:
        aws.client("secretsmanager").create_secret(Name=TOKEN, SecretString="x")
        aws.client("secretsmanager").delete_secret(SecretId=TOKEN)
        assert line("secrets", case(aws, environment=environment(sentry=SENTRY))) == (
            f"fix: the secret {TOKEN} waits for its deletion: aws secretsmanager restore-secret --region us-east-1 --secret-id "
            f"{TOKEN}"
        )

    def test_one_without_a_value_has_to_get_one(self, aws: Aws) -> None:
        aws.answer("secretsmanager", "DescribeSecret", {"Name": TOKEN})
        assert line("secrets", case(aws, environment=environment(sentry=SENTRY))).startswith(
            f"fix: the secret {TOKEN} has no value: aws secretsmanager put-secret-value "
        )

    def test_the_function_can_use_no_key_but_secrets_managers(self, aws: Aws) -> None:
        aws.client("secretsmanager").create_secret(Name=TOKEN, SecretString="x", KmsKeyId="alias/own")
        assert line("secrets", case(aws, environment=environment(sentry=SENTRY))) == (
            f"fix: the secret {TOKEN} is under a key of its own, which the function may not use: aws secretsmanager update-secret "
            f"--region us-east-1 --secret-id {TOKEN} --kms-key-id alias/aws/secretsmanager"
        )

    def test_cloudformation_reads_the_url_under_a_key_that_is_enabled(self, aws: Aws) -> None:
        key = aws.client("kms").create_key()["KeyMetadata"]["KeyId"]
        aws.client("secretsmanager").create_secret(Name=URL, SecretString="x", KmsKeyId=key)
        assert line("secrets", case(aws, environment=environment(url=URL))) == f"ok: {URL}"
        aws.client("kms").disable_key(KeyId=key)
        assert line("secrets", case(aws, environment=environment(url=URL))).startswith(
            f"fix: the key of the secret {URL} is Disabled: enable it, or use Secrets Manager's own, aws "
        )

    def test_the_url_of_the_heartbeat_is_one_of_them_and_the_function_reads_it(self, aws: Aws) -> None:
        name = "hz-navigator-production-heartbeat-url"
        contacts = Contacts(email=EMAIL, heartbeat_url_secret=name)
        with_heartbeat = PRODUCTION.model_copy(update={"contacts": contacts, "sentry": None})
        assert line("secrets", case(aws, environment=with_heartbeat)).startswith(
            f"fix: there is no secret {name} (contacts.heartbeat_url_secret in config/production.toml): "
        )
        aws.client("secretsmanager").create_secret(Name=name, SecretString="x", KmsKeyId="alias/own")
        assert "under a key of its own, which the function may not use" in line(
            "secrets", case(aws, environment=with_heartbeat)
        )


class TestPagerDuty:
    """The event source by which PagerDuty says who has acknowledged."""

    SOURCE = "aws.partner/pagerduty.com/acme-production"
    CONTACTS = Contacts(pagerduty_url_secret="x", pagerduty_event_source=SOURCE)
    TOLD = PRODUCTION.model_copy(update={"contacts": CONTACTS})

    def test_without_one_there_is_nothing_to_ask(self, aws: Aws) -> None:
        assert line("PagerDuty", case(aws)) == "ok: its event source is not configured"

    def test_one_with_its_event_bus_is_ok(self, aws: Aws) -> None:
        aws.answer("events", "DescribeEventSource", {"Name": self.SOURCE, "State": "ACTIVE"})
        assert line("PagerDuty", case(aws, environment=self.TOLD)) == f"ok: {self.SOURCE} is associated with its event bus"

    def test_one_without_has_to_be_associated(self, aws: Aws) -> None:
        aws.answer("events", "DescribeEventSource", {"Name": self.SOURCE, "State": "PENDING"})
        assert line("PagerDuty", case(aws, environment=self.TOLD)) == (
            f"fix: {self.SOURCE} is not associated with an event bus: aws events create-event-bus --region us-east-1"
            f" --name {self.SOURCE} --event-source-name {self.SOURCE}"
        )

    def test_one_that_is_deleted_has_to_be_made(self, aws: Aws) -> None:
        aws.answer("events", "DescribeEventSource", {"Name": self.SOURCE, "State": "DELETED"})
        assert line("PagerDuty", case(aws, environment=self.TOLD)) == (
            f"fix: there is no event source {self.SOURCE} in us-east-1: add Amazon EventBridge to the service in PagerDuty, or "
            "take contacts.pagerduty_event_source out of config/production.toml"
        )


class TestSlack:
    """The workspace lets Amazon Q Developer in."""

    CHANNEL = PRODUCTION.model_copy(update={"contacts": Contacts(slack=Slack(workspace_id="T0123ABCD", channel_id="C1"))})

    def workspaces(self, aws: Aws, *ids: str) -> None:
        found = [{"SlackTeamId": id_, "SlackTeamName": "us"} for id_ in ids]
        aws.answer("chatbot", "DescribeSlackWorkspaces", {"SlackWorkspaces": found})

    def test_without_a_channel_there_is_nothing_to_ask(self, aws: Aws) -> None:
        without = PRODUCTION.model_copy(update={"contacts": Contacts(email=EMAIL)})
        assert line("Slack", case(aws, environment=without)) == "ok: not configured"

    def test_an_authorized_one_is_ok(self, aws: Aws) -> None:
        self.workspaces(aws, "T9", "T0123ABCD")
        assert line("Slack", case(aws, environment=self.CHANNEL)) == "ok: the workspace T0123ABCD is authorized"
        assert ("DescribeSlackWorkspaces", "us-east-2") in aws.asked

    def test_another_has_to_be_added(self, aws: Aws) -> None:
        self.workspaces(aws, "T9")
        assert line("Slack", case(aws, environment=self.CHANNEL)) == (
            "fix: the workspace T0123ABCD is not authorized: add it in the console of Amazon Q Developer in chat applications, or "
            "take contacts.slack out of config/production.toml"
        )
