"""The backend's procedures on the deployed environment: every branch, dry runs, refusals, approvals, and failures at every step.

The documents are those that the stack deployed; their steps call the deployed function under the documents' own roles.
"""

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.cloud import Cloud
from local.documents.procedures import command
from local.drills.operator import REASON, Operator, items
from local.drills.pipeline import Pipeline
from procedures.catalog import PROCEDURES, procedure
from procedures.documents import document, text
from runbook.alarms import DEPENDENCY_ALARMS
from tests.environments import PRODUCTION
from tests.local.shell import Shell
from tests.synth.arns import Arns
from tests.synth.assemblies import templates
from tests.synth.test_permissions import several

_numbers = itertools.count()


@pytest.fixture
def cloud(procedures_cloud: Cloud) -> Cloud:
    return procedures_cloud


@pytest.fixture
def ada(cloud: Cloud) -> Operator:
    return Operator(cloud, "ada")


@pytest.fixture
def bob(cloud: Cloud) -> Operator:
    return Operator(cloud, "bob")


@pytest.fixture
def pipeline(cloud: Cloud) -> Iterator[Pipeline]:
    """The pipeline of the shared cloud; nothing is under way before and after, and every procedure's lock is free."""
    settle(cloud)
    made = Pipeline(cloud)
    before, desired = made.image_of(made.task_definition), made.service["desiredCount"]
    yield made
    settle(cloud)
    if made.service["desiredCount"] != desired:
        environment = cloud.environment
        cloud.client("ecs").update_service(cluster=environment.cluster, service=environment.service, desiredCount=desired)
    if made.image_of(made.task_definition) != before:
        made.release(before.rpartition(":")[2])
    settle(cloud)


def settle(cloud: Cloud) -> None:
    """What is under way ends, and so does the lock of an execution that was cancelled."""
    cloud.advance(timedelta(minutes=6))
    cloud.wait_until_idle()


def push(cloud: Cloud, *images: str) -> None:
    """Images that the repository has."""
    for image in images:
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {"digest": image},
        }
        with contextlib.suppress(cloud.client("ecr").exceptions.ImageTagAlreadyExistsException):
            cloud.client("ecr").put_image(
                repositoryName=cloud.environment.repository,
                imageManifest=json.dumps(manifest),
                imageTag=image.rpartition(":")[2],
            )


def released(cloud: Cloud, pipeline: Pipeline) -> tuple[str, str]:
    """A release that has ended well: the task definition before it, and its own."""
    good, commit = pipeline.task_definition, f"bad{next(_numbers)}"
    push(cloud, pipeline.image_of(good), pipeline.image(commit))
    bad = pipeline.release(commit)
    settle(cloud)
    assert pipeline.settled
    return good, bad


def a_task(cloud: Cloud) -> str:
    environment = cloud.environment
    found = cloud.client("ecs").list_tasks(cluster=environment.cluster, serviceName=environment.service)["taskArns"]
    return str(found[0].rpartition("/")[2])


def given(cloud: Cloud, name: str) -> dict[str, str]:
    """Inputs with which a procedure does something."""
    match name:
        case "backend-scale":
            return {"Tasks": str({2: 3, 3: 2}[Pipeline(cloud).service["desiredCount"]])}
        case "backend-restart-task":
            return {"Task": a_task(cloud)}
    return {}


def state(cloud: Cloud) -> dict[str, Any]:
    """What a procedure of the backend may change."""
    pipeline = Pipeline(cloud)
    service = pipeline.service
    return {
        "task definition": service["taskDefinition"],
        "tasks": service["desiredCount"],
        "deployment": service.get("currentServiceDeployment"),
        "image": pipeline.image_to_deploy,
        "running": a_task(cloud),
        "locks": locks(cloud),
    }


def locks(cloud: Cloud) -> list[str]:
    """Which things are locked now."""
    found = items(cloud).get_item(Key={"id": "changes"}).get("Item", {})
    now = cloud.now().timestamp()
    return [name for name, value in found.items() if name.startswith("lock ") and value["until"] >= now]


NAMES = [one.name for one in PROCEDURES if one.name.startswith(("backend-", "service-", "health-"))]
CHANGING = [name for name in NAMES if procedure(name).changes]


# What each does


@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run_says_what_would_be_done_and_changes_nothing(
    cloud: Cloud, pipeline: Pipeline, ada: Operator, name: str
) -> None:
    released(cloud, pipeline)
    before = state(cloud)
    ended = ada.run(name, dry_run=True, **given(cloud, name))
    assert ended.status == "Success", ended
    assert (ended.said, ended.record["result"], ended.record["dry_run"]) == ("A dry run: nothing was changed.", "dry run", True)
    assert json.loads(ended.outputs["Plan.Payload"][0])["said"] == ended.record["steps"][0]["said"]
    assert state(cloud) == before


@pytest.mark.parametrize("name", NAMES)
def test_it_is_done_as_its_role_may_and_recorded(cloud: Cloud, pipeline: Pipeline, ada: Operator, name: str) -> None:
    good, _ = released(cloud, pipeline)
    inputs, before = given(cloud, name), state(cloud)
    role = cloud.environment.document(name)
    before_role, before_function = len(cloud.calls(role)), len(cloud.calls("procedures"))
    ended = ada.run(name, **inputs)
    assert ended.status == "Success", ended
    assert (ended.record["started_by"], ended.record["reason"], ended.record["result"]) == (ada.arn, REASON, "succeeded")
    after = state(cloud)
    changed = {what for what in after if after[what] != before[what]}
    assert changed == {
        "backend-rollback": {"task definition", "deployment", "image", "running"},
        "backend-deploy": {"deployment", "running"},
        "backend-scale": {"tasks"},
        "backend-restart-task": {"running"},
    }.get(name, set())
    if name == "backend-rollback":
        assert (after["task definition"], after["image"]) == (good, pipeline.image_of(good))
    calls = cloud.calls(role)[before_role:]
    assert [one for one in (*calls, *cloud.calls("procedures")[before_function:]) if not one.allowed] == []
    assert {(f"{one.service}:{one.action}", one.resource) for one in calls} == set(granted(name))


def granted(name: str) -> Iterator[tuple[str, str]]:
    """The actions on resources that the role of a document is granted."""
    arns = Arns(PRODUCTION, templates(PRODUCTION.name))
    pascal = "".join(map(str.capitalize, name.split("-")))
    (policy,) = (
        one["Properties"]["PolicyDocument"]
        for logical_id, one in templates(PRODUCTION.name)["procedures"].resources.items()
        if one["Type"] == "AWS::IAM::ManagedPolicy" and logical_id.startswith(f"{pascal}Policy")
    )
    for statement in policy["Statement"]:
        for action in several(statement["Action"]):
            for resource in several(statement["Resource"]):
                yield action, arns.text("procedures", resource)


def test_a_named_revision_is_gone_back_to(cloud: Cloud, pipeline: Pipeline, ada: Operator) -> None:
    first, _ = released(cloud, pipeline)
    released(cloud, pipeline)
    ended = ada.run("backend-rollback", Revision=first.rpartition(":")[2])
    assert (ended.status, pipeline.task_definition) == ("Success", first)


def test_a_release_that_does_not_start_is_told_with_ecss_reason(cloud: Cloud, pipeline: Pipeline, ada: Operator) -> None:
    good, bad = released(cloud, pipeline)
    cloud.fail_tasks_of(good)
    ended = ada.run("backend-rollback")
    assert ended.status == "Failed"
    assert "ended ROLLBACK_SUCCESSFUL. Service deployment rolled back because the circuit breaker" in ended.said
    assert (pipeline.task_definition, locks(cloud)) == (bad, [])


@pytest.mark.parametrize("name", ["service-status", "backend-rollback"])
def test_the_command_of_the_page_starts_it_as_it_is_printed(
    cloud: Cloud, pipeline: Pipeline, ada: Operator, tmp_path: Path, name: str
) -> None:
    released(cloud, pipeline)
    with Shell(cloud, tmp_path) as shell:
        printed = shell.run(command(cloud.environment, procedure(name)))
    execution = json.loads(printed)["AutomationExecutionId"]
    cloud.wait_until_idle()
    assert ada.end(execution).status == "Success"


# Refusals


@pytest.mark.parametrize(
    ("name", "inputs", "words"),
    [
        ("backend-scale", {"Tasks": "1"}, "Autoscaling keeps the service between 2 and 4 tasks, and 1 is outside"),
        ("backend-scale", {"Tasks": "40"}, "the database serves those of 4 tasks"),
        ("backend-restart-task", {"Task": "f" * 32}, "is none of hz-navigator-production-backend-service"),
        ("backend-rollback", {"Revision": "999"}, "backend:999 is deleted: ECS runs none but an ACTIVE one"),
    ],
)
def test_a_refusal_is_one_sentence_and_changes_nothing(
    cloud: Cloud, pipeline: Pipeline, ada: Operator, name: str, inputs: dict[str, str], words: str
) -> None:
    before = state(cloud)
    ended = ada.run(name, **inputs)
    assert (ended.status, ended.record["result"]) == ("Failed", "refused")
    assert words in ended.said
    assert ended.said.endswith(" Nothing was changed.")
    assert state(cloud) == before


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("backend-scale", {"Tasks": "two"}),
        ("backend-scale", {}),
        ("backend-deploy", {"Reason": 'to say "no"'}),
        ("backend-deploy", {"DryRun": "maybe"}),
        ("backend-deploy", {"Another": "input"}),
        ("backend-rollback", {"Revision": "1; drop"}),
    ],
)
def test_what_no_input_may_be_is_refused_before_anything_starts(ada: Operator, name: str, inputs: dict[str, str]) -> None:
    with pytest.raises(ClientError, match=r"InvalidAutomationExecutionParameters|ValidationException"):
        ada.start(name, **inputs)


def test_a_second_procedure_waits_for_nobody_and_says_who_is_at_work(
    cloud: Cloud, pipeline: Pipeline, ada: Operator, bob: Operator
) -> None:
    execution = bob.start("backend-scale", Tasks="3")
    refused = ada.run("backend-scale", Tasks="4")
    assert f"locked by backend-scale, which {bob.arn} started at" in refused.said
    assert bob.end(execution).status == "Success"


def test_automation_leaves_the_service_to_a_person_at_work(cloud: Cloud, pipeline: Pipeline, ada: Operator) -> None:
    released(cloud, pipeline)
    execution = ada.start("backend-scale", Tasks="3")
    items(cloud).update_item(  # functions have the machine's clock, and the cloud's is ahead of it
        Key={"id": "changes"},
        UpdateExpression="SET #lock.renewed = :now, #lock.#until = :later",
        ExpressionAttributeNames={"#lock": "lock service", "#until": "until"},
        ExpressionAttributeValues={":now": int(cloud.now().timestamp()), ":later": int(cloud.now().timestamp()) + 300},
    )
    before = state(cloud)
    alarm(cloud, "ALARM")
    assert any("a person is at work on it: backend-scale" in line for line in cloud.logs("rollback")), cloud.logs("rollback")[
        -6:
    ]
    assert state(cloud) == before
    alarm(cloud, "OK")
    assert ada.end(execution).status == "Success"


def alarm(cloud: Cloud, to: str) -> None:
    """The alarm that invokes automation changes its state; the dependencies are well."""
    alarms, environment = cloud.client("cloudwatch"), cloud.environment
    for name in DEPENDENCY_ALARMS:
        alarms.set_alarm_state(AlarmName=f"{environment.prefix}-{name}", StateValue="OK", StateReason="it is well")
    alarms.set_alarm_state(AlarmName=environment.service_impaired_alarm, StateValue=to, StateReason="a test")
    cloud.wait_until_idle()


# Approval


@pytest.fixture
def approved(cloud: Cloud) -> Iterator[str]:
    """The version of a document that asks for an approval, and a role that may."""
    environment, (ssm, iam) = cloud.environment, (cloud.client("ssm"), cloud.client("iam"))
    content = text(replace(procedure("backend-scale"), approval=True), environment)
    name = environment.document("backend-scale")
    made = ssm.update_document(Name=name, Content=content, DocumentVersion="$LATEST")["DocumentDescription"]["DocumentVersion"]
    topic = environment.arn("sns", environment.approvals_topic)
    statements = [
        {"Effect": "Allow", "Action": "sns:Publish", "Resource": topic},
        {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*"},
    ]
    iam.put_role_policy(
        RoleName=name, PolicyName="approval", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements})
    )
    yield made
    iam.delete_role_policy(RoleName=name, PolicyName="approval")
    ssm.delete_document(Name=name, DocumentVersion=made)


def ask(cloud: Cloud, who: Operator, version: str) -> str:
    """An execution that waits for an approval."""
    execution = who.start("backend-scale", version=version, **given(cloud, "backend-scale"))
    shown = who.look(execution).shown
    assert (shown["AutomationExecutionStatus"], shown["CurrentStepName"]) == ("Waiting", "Approve"), shown
    return execution


def test_another_persons_approval_lets_it_go_on(
    cloud: Cloud, pipeline: Pipeline, ada: Operator, bob: Operator, approved: str
) -> None:
    execution = ask(cloud, ada, approved)
    bob.signal(execution, "Approve")
    ended = ada.end(execution)
    assert ended.status == "Success", ended
    assert f"{bob.arn} approved." in ended.record["steps"][1]["said"]


def test_ones_own_approval_is_refused(cloud: Cloud, pipeline: Pipeline, ada: Operator, approved: str) -> None:
    before = state(cloud)
    execution = ask(cloud, ada, approved)
    ada.signal(execution, "Approve")
    ended = ada.end(execution)
    assert (ended.status, ended.record["result"]) == ("Failed", "refused")
    assert f"{ada.arn} started this and may not approve it" in ended.said
    assert state(cloud) == before


def test_a_rejection_ends_it(cloud: Cloud, pipeline: Pipeline, ada: Operator, bob: Operator, approved: str) -> None:
    before = state(cloud)
    execution = ask(cloud, ada, approved)
    bob.signal(execution, "Reject")
    ended = ada.end(execution)
    assert ended.status != "Success"
    assert ended.record["result"] == "not approved"
    assert state(cloud) == before


def test_an_approval_that_nobody_gives_ends_it(cloud: Cloud, pipeline: Pipeline, ada: Operator, approved: str) -> None:
    before = state(cloud)
    execution = ask(cloud, ada, approved)
    cloud.advance(timedelta(hours=4, minutes=1))
    cloud.wait_until_idle()
    ended = ada.end(execution)
    assert ended.status != "Success"
    assert ended.record["result"] == "not approved"
    assert {**state(cloud), "running": 0} == {**before, "running": 0}


# Who may


def test_the_function_does_nothing_for_who_calls_it_otherwise(cloud: Cloud, pipeline: Pipeline, ada: Operator) -> None:
    execution = ada.start("service-status")
    event = {"procedure": "backend-scale", "step": "Scale", "execution": execution, "inputs": {"DryRun": "false", "Tasks": "4"}}
    before = state(cloud)
    answer = cloud.client("lambda").invoke(FunctionName=cloud.environment.function("procedures"), Payload=json.dumps(event))
    assert answer["FunctionError"] == "Unhandled"
    assert "is of hz-navigator-production-service-status, not of" in json.loads(answer["Payload"].read())["errorMessage"]
    assert state(cloud) == before


def test_no_other_document_runs_under_a_procedures_role_but_for_who_may_pass_it(cloud: Cloud, ada: Operator) -> None:
    """The role's trust admits any execution of the account: the right to pass it is what keeps it to its document."""
    role = cloud.environment.role_arn(cloud.environment.document("backend-deploy"))
    with pytest.raises(ClientError, match="AccessDenied"):
        ada.ssm.create_document(
            Name="of-ada",
            DocumentType="Automation",
            Content=json.dumps(
                {
                    "schemaVersion": "0.3",
                    "assumeRole": role,
                    "mainSteps": [{"name": "S", "action": "aws:sleep", "inputs": {"Duration": "PT1S"}}],
                }
            ),
        )
    trust = cloud.client("iam").get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
    assert [one["Principal"] for one in trust["Statement"]] == [{"Service": "ssm.amazonaws.com"}]


# Failures


def steps(name: str) -> list[str]:
    """The steps of a document that call something, but for its end."""
    found = document(procedure(name), PRODUCTION)["mainSteps"]
    inner = [two for one in found for two in (one, *one["inputs"].get("Steps", ()))]
    calls = ("aws:invokeLambdaFunction", "aws:executeAwsApi")
    return [one["name"] for one in inner if one["action"] in calls and one["name"] != "Failed"]


FAULTS = [(kind, when) for kind in ("fail", "time out", "interrupt") for when in ("before", "after")]
SHARED = ("Plan", "Begin", "Releases", "Verify", "Record")
CUTS = [
    (name, step, *fault)
    for name in CHANGING
    for step in steps(name)
    # Every way at every step; at those that all have, in one procedure.
    for fault in (FAULTS if step not in SHARED or name == "backend-rollback" else FAULTS[3:4])
]


@pytest.mark.cuts
@pytest.mark.parametrize(("name", "step", "kind", "when"), CUTS)
def test_whatever_fails_where_nothing_is_lost_and_run_again_it_converges(
    cloud: Cloud, pipeline: Pipeline, ada: Operator, name: str, step: str, kind: str, when: str
) -> None:
    good, bad = released(cloud, pipeline) if name == "backend-rollback" else ("", pipeline.task_definition)
    inputs, before = given(cloud, name), state(cloud)
    cloud.break_step(cloud.environment.document(name), step, kind, when, 1 if kind == "interrupt" else 2)
    ended = ada.run(name, **inputs)
    # Where the lost answer was a loop's last, it ended well: the function has recorded that.
    well = ("Success",) if step == "Settled" and when == "after" else ()
    assert ended.status in (("Cancelled",) if kind == "interrupt" else (*well, "Failed", "TimedOut")), ended
    if step in ("Plan", "Begin"):
        assert {**state(cloud), "locks": []} == {**before, "locks": []}
    settle(cloud)
    assert locks(cloud) == []
    assert pipeline.settled
    after = state(cloud)
    done = after != {**before, "locks": []}
    if name == "backend-restart-task" and done:
        inputs = given(cloud, name)
    if name == "backend-rollback" and after["task definition"] == good:
        assert ada.run(name, Revision=good.rpartition(":")[2]).record["result"] == "refused"  # it is there already
    else:
        again = ada.run(name, **inputs)
        assert again.status == "Success", again
    assert pipeline.task_definition == (good or bad)
    assert str(pipeline.service["desiredCount"]) == inputs.get("Tasks", str(before["tasks"]))
    assert pipeline.service["runningCount"] == pipeline.service["desiredCount"]
    assert pipeline.image_to_deploy == pipeline.image_of(pipeline.task_definition)
    assert locks(cloud) == []
