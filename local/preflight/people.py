"""What people make beside the stacks: the image, the secrets that the configuration names, the Slack workspace."""

import json
from typing import Any
from urllib.request import urlopen

from local.preflight.account import NotKnown
from local.preflight.case import CHATBOT_REGION, Answer, Answers, Case, fix, later, ok


def image(case: Case) -> Answers:
    environment = case.environment
    if any(case.missing("AWS::ECR::Repository")):
        yield later(
            f"push the first image and name it in {environment.image_parameter} after cdk deploy {environment.name}/registry"
        )
        return
    answer = case.account.ask("ssm", "get_parameter", absent=("ParameterNotFound",), Name=environment.image_parameter)
    registry = f"{environment.account}.dkr.ecr.{environment.region}.amazonaws.com/"
    put = f"aws ssm put-parameter --region {environment.region} --type String --overwrite --name {environment.image_parameter}"
    if not answer:
        yield fix(f"no image is named: push one, then {put} --value {registry}{environment.repository}:COMMIT")
        return
    uri = answer["Parameter"]["Value"]
    if not uri.startswith(registry):
        yield Answer("not known", f"{uri} is in a registry that preflight does not read: ECS has to be able to pull it")
        return
    repository, at, digest = uri.removeprefix(registry).partition("@")
    repository, _, tag = repository.partition(":")
    found = case.account.ask(
        "ecr",
        "batch_get_image",
        absent=("RepositoryNotFoundException",),
        repositoryName=repository,
        imageIds=[{"imageDigest": digest} if at else {"imageTag": tag or "latest"}],
        acceptedMediaTypes=_MANIFESTS,
    )
    if not found.get("images"):
        yield fix(f"there is no image {uri}: push it, or name another with {put} --value IMAGE")
        return
    for task in case.plan.resources("AWS::ECS::TaskDefinition"):
        needed = {"X86_64": "amd64", "ARM64": "arm64"}[task.properties["RuntimePlatform"]["CpuArchitecture"]]
        has = _architectures(case, repository, json.loads(found["images"][0]["imageManifest"]))
        if needed in has:
            yield ok(f"{uri} is there, for {needed}")
        else:
            yield fix(f"{uri} is for {', '.join(has)}: build it with --platform linux/{needed} and push it again")


_MANIFESTS = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]


def _architectures(case: Case, repository: str, manifest: dict[str, Any]) -> list[str]:
    """For which processors an image is: an index names them, a single image's own settings do
    (https://github.com/opencontainers/image-spec/blob/main/config.md)."""
    if "manifests" in manifest:
        return sorted({one["platform"]["architecture"] for one in manifest["manifests"] if "platform" in one} - {"unknown"})
    answer = case.account.ask(
        "ecr", "get_download_url_for_layer", repositoryName=repository, layerDigest=manifest["config"]["digest"]
    )
    try:
        with urlopen(answer["downloadUrl"], timeout=10) as settings:  # noqa: S310 - ECR made the URL
            return [str(json.load(settings)["architecture"])]
    except (OSError, ValueError) as error:
        raise NotKnown(f"the settings of the image could not be read ({error})") from None


def secrets(case: Case) -> Answers:
    environment = case.environment
    keys = ("pagerduty_url_secret", "heartbeat_url_secret")
    wanted = {f"contacts.{key}": getattr(environment.contacts, key) for key in keys}
    if environment.sentry:
        wanted["sentry.token_secret"] = environment.sentry.token_secret
    named = {key: name for key, name in wanted.items() if name}
    for key, name in named.items():
        which = f"--region {environment.region} --secret-id {name}"
        secret = case.account.ask("secretsmanager", "describe_secret", absent=("ResourceNotFoundException",), SecretId=name)
        encrypted = secret.get("KmsKeyId") or ""
        if not secret:
            make = f"aws secretsmanager create-secret --region {environment.region} --name {name} --secret-string VALUE"
            yield fix(f"there is no secret {name} ({key} in {case.file}): {make}")
        elif secret.get("DeletedDate"):
            yield fix(f"the secret {name} waits for its deletion: aws secretsmanager restore-secret {which}")
        elif not any("AWSCURRENT" in stages for stages in secret.get("VersionIdsToStages", {}).values()):
            yield fix(f"the secret {name} has no value: aws secretsmanager put-secret-value {which} --secret-string VALUE")
        elif encrypted and not encrypted.endswith("alias/aws/secretsmanager") and key != "contacts.pagerduty_url_secret":
            own = f"aws secretsmanager update-secret {which} --kms-key-id alias/aws/secretsmanager"
            yield fix(f"the secret {name} is under a key of its own, which the function may not use: {own}")
        elif encrypted and (state := _key_state(case, encrypted)) != "Enabled":
            other = f"aws secretsmanager update-secret {which} --kms-key-id alias/aws/secretsmanager"
            yield fix(f"the key of the secret {name} is {state}: enable it, or use Secrets Manager's own, {other}")
        else:
            yield ok(name)
    if not named:
        yield ok("none are named")


def _key_state(case: Case, key: str) -> str:
    answer = case.account.ask("kms", "describe_key", absent=("NotFoundException",), KeyId=key)
    return str(answer["KeyMetadata"]["KeyState"]) if answer else "gone"


def pagerduty(case: Case) -> Answers:
    source = case.environment.contacts.pagerduty_event_source
    if not source:
        yield ok("its event source is not configured")
        return
    answer = case.account.ask("events", "describe_event_source", absent=("ResourceNotFoundException",), Name=source)
    region = case.environment.region
    match answer.get("State"):
        case "ACTIVE":
            yield ok(f"{source} is associated with its event bus")
        case "PENDING":
            associate = f"aws events create-event-bus --region {region} --name {source} --event-source-name {source}"
            yield fix(f"{source} is not associated with an event bus: {associate}")
        case _:
            yield fix(
                f"there is no event source {source} in {region}: add Amazon EventBridge to the service in PagerDuty, or take "
                f"contacts.pagerduty_event_source out of {case.file}"
            )


def slack(case: Case) -> Answers:
    channel = case.environment.contacts.slack
    if not channel:
        yield ok("not configured")
        return
    answer = case.account.ask("chatbot", "describe_slack_workspaces", region=CHATBOT_REGION)
    if channel.workspace_id in {one["SlackTeamId"] for one in answer.get("SlackWorkspaces", ())}:
        yield ok(f"the workspace {channel.workspace_id} is authorized")
    else:
        yield fix(
            f"the workspace {channel.workspace_id} is not authorized: add it in the console of Amazon Q Developer in chat "
            f"applications, or take contacts.slack out of {case.file}"
        )
