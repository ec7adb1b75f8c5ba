"""A cloud's server starts, serves on loopback only, and leaves nothing behind however it ends; the CDK CLI deploys to it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.cloud import ROOT, Cloud, CloudError
from tests.environments import PRODUCTION, VARIANTS, VARIANTS_CONFIG
from tests.local.processes import alive, gone
from tests.synth.assemblies import templates


def test_a_cloud_ends_with_its_context() -> None:
    with Cloud.start(PRODUCTION) as cloud:
        assert alive(cloud.process_group)
    assert gone(cloud.process_group)
    assert not cloud.folder.exists()


def test_a_cloud_ends_when_its_context_fails_and_keeps_its_logs() -> None:
    with pytest.raises(RuntimeError), Cloud.start(PRODUCTION) as cloud:
        raise RuntimeError
    assert gone(cloud.process_group)
    assert (cloud.folder / "server.log").exists()
    shutil.rmtree(cloud.folder)


def test_a_cloud_ends_when_the_process_that_started_it_is_killed() -> None:
    code = """
from local.cloud import Cloud
from tests.environments import PRODUCTION
with Cloud.start(PRODUCTION) as cloud:
    print(cloud.port, cloud.process_group, cloud.folder, flush=True)
    input()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        port, process_group, folder = owner.stdout.readline().split()
        with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as connection:
            owner.kill()
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""  # blocks until the server, which holds the other end, is gone
    assert gone(int(process_group))
    shutil.rmtree(folder)


def test_only_loopback_is_served(empty_cloud: Cloud) -> None:
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("the kernel's table of sockets is Linux's")
    sockets = [line.split() for line in table.read_text().splitlines()[1:]]
    listening = [local for _, local, _, state, *_ in sockets if state == "0A" and local.endswith(f":{empty_cloud.port:04X}")]
    assert listening == [f"0100007F:{empty_cloud.port:04X}"]


def test_a_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CloudError, match=rf"^The local cloud did not start: port {port} of 127\.0\.0\.1 cannot be used"):
            Cloud.launch(PRODUCTION, tmp_path, port=port)


def test_a_cloud_that_is_gone_is_said_in_one_sentence() -> None:
    with Cloud.start(PRODUCTION) as cloud:
        os.killpg(cloud.process_group, signal.SIGKILL)
        with pytest.raises(CloudError, match=r"^The local cloud at http://localhost:\d+ does not answer"):
            cloud.now()


# What is deployed


@pytest.mark.parametrize("name", VARIANTS)
def test_a_first_deployment_finds_what_people_make_before_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(Cloud, "cdk", lambda _, *arguments, **_options: ran.append(arguments))
    environment = VARIANTS[name]
    with Cloud.start(environment, config=VARIANTS_CONFIG) as cloud:
        cloud.deploy()
        secrets = {secret["Name"] for secret in cloud.client("secretsmanager").list_secrets()["SecretList"]}
        zones = {zone["Name"] for zone in cloud.client("route53").list_hosted_zones()["HostedZones"]}
    bootstrapped, registry, everything = ran
    # The frontend's certificate and web ACL have to be in us-east-1.
    targets = {f"aws://{environment.account}/{region}" for region in (environment.region, "us-east-1")}
    assert (bootstrapped[0], {*bootstrapped[1:]}) == ("bootstrap", targets)
    assert (registry[1], everything[1]) == (f"{name}/registry", f"{name}/*")
    sentry, contacts = environment.sentry, environment.contacts
    urls = {contacts.pagerduty_url_secret, contacts.heartbeat_url_secret}
    assert secrets == {*urls, sentry.token_secret if sentry else None} - {None}
    assert zones == ({f"{environment.domain.zone}."} if environment.domain.hosted_zone_id else set())


def stacks(cloud: Cloud) -> dict[str, str]:
    """The status of each stack of the environment, by its component."""
    found = cloud.client("cloudformation").describe_stacks()["Stacks"]
    prefix = f"{cloud.environment.prefix}-"
    return {one["StackName"].removeprefix(prefix): one["StackStatus"] for one in found if one["StackName"].startswith(prefix)}


def test_every_stack_of_production_is_deployed(cloud: Cloud) -> None:
    assert stacks(cloud) == dict.fromkeys(templates("production"), "CREATE_COMPLETE")


def test_deploying_again_changes_nothing(cloud: Cloud) -> None:
    events = cloud.client("cloudformation").get_paginator("describe_stack_events")

    def count() -> int:
        pages = (page for name in stacks(cloud) for page in events.paginate(StackName=cloud.environment.stack(name)))
        return sum(len(page["StackEvents"]) for page in pages)

    before = count()
    cloud.deploy()
    assert count() == before


def test_the_cli_passes_cloudformations_role_with_the_permission_that_bootstrap_gave_it(cloud: Cloud) -> None:
    environment = cloud.environment
    deploy, execution = (
        f"cdk-hnb659fds-{role}-role-{environment.account}-{environment.region}" for role in ("deploy", "cfn-exec")
    )
    passed = {(call.resource, call.allowed) for call in cloud.calls(deploy) if call.action == "PassRole"}
    assert passed == {(environment.role_arn(execution), True)}


def test_the_service_runs_the_image_of_the_parameter(cloud: Cloud) -> None:
    ecs, environment = cloud.client("ecs"), cloud.environment
    image = cloud.client("ssm").get_parameter(Name=environment.image_parameter)["Parameter"]["Value"]
    tasks = ecs.list_tasks(cluster=environment.cluster, serviceName=environment.service)["taskArns"]
    described = ecs.describe_tasks(cluster=environment.cluster, tasks=tasks)["tasks"]
    assert [container["image"] for task in described for container in task["containers"]] == [
        image
    ] * environment.backend.min_tasks


def test_a_target_is_registered_for_each_task(cloud: Cloud) -> None:
    client, environment = cloud.client("elbv2"), cloud.environment
    (group,) = client.describe_target_groups(Names=[environment.target_group])["TargetGroups"]
    health = client.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    assert len(health) == environment.backend.min_tasks
