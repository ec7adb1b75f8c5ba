"""The stack of the procedures: a document each, under a role of its own, and what waits for an approval."""

from collections.abc import Callable
from typing import Any

import pytest

from procedures.catalog import PROCEDURES
from procedures.documents import document
from procedures.model import Invoke
from stacks.environment import Environment
from tests.environments import VARIANTS, VARIANTS_CONFIG
from tests.synth.arns import Arns
from tests.synth.assemblies import dependencies, templates
from tests.synth.template import Template
from tests.synth.test_permissions import several


@pytest.fixture
def stack(template: Callable[[str], Template]) -> Template:
    return template("procedures")


def of_type(stack: Template, kind: str) -> dict[str, dict[str, Any]]:
    return {logical_id: one for logical_id, one in stack.resources.items() if one["Type"] == kind}


def test_every_procedure_is_a_document_of_its_name(stack: Template, environment: Environment) -> None:
    found = [one["Properties"] for one in of_type(stack, "AWS::SSM::Document").values()]
    assert {one["Name"]: one["Content"] for one in found} == {
        f"{environment.prefix}-{one.name}": document(one, environment) for one in PROCEDURES
    }
    assert {(one["DocumentType"], one["DocumentFormat"], one["UpdateMethod"]) for one in found} == {
        ("Automation", "JSON", "NewVersion")  # an execution goes on with the version that it was started with
    }


def test_each_has_a_role_that_automation_alone_takes_for_executions_of_the_account(
    stack: Template, environment: Environment
) -> None:
    roles = {one["Properties"].get("RoleName"): one["Properties"] for one in of_type(stack, "AWS::IAM::Role").values()}
    for one in PROCEDURES:
        (statement,) = roles[environment.document(one.name)]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "ssm.amazonaws.com"}
        assert statement["Condition"] == {
            "StringEquals": {"aws:SourceAccount": environment.account},
            "ArnLike": {"aws:SourceArn": environment.arn("ssm", "automation-execution/*")},
        }


def test_a_role_may_call_the_function_and_what_its_document_calls_and_no_more(
    stack: Template, environment: Environment
) -> None:
    arns = Arns(environment, templates(environment.name))
    function = environment.arn("lambda", f"function:{environment.function('procedures')}")
    policies = of_type(stack, "AWS::IAM::ManagedPolicy")
    roles = {one["Properties"].get("RoleName"): one["Properties"] for one in of_type(stack, "AWS::IAM::Role").values()}
    for one in PROCEDURES:
        (attached,) = roles[environment.document(one.name)]["ManagedPolicyArns"]
        granted = {
            (action, arns.text("procedures", resource))
            for statement in policies[attached["Ref"]]["Properties"]["PolicyDocument"]["Statement"]
            for action in several(statement["Action"])
            for resource in several(statement["Resource"])
        }
        called = {environment.function(step.function) for step in one.steps if isinstance(step, Invoke)}
        wanted = {("lambda:InvokeFunction", function)}
        wanted |= {("lambda:InvokeFunction", environment.arn("lambda", f"function:{name}")) for name in called}
        wanted |= {
            (action, resource) for grant in one.grants for action in grant.actions for resource in grant.resources(environment)
        }
        if one.approval:
            wanted |= {("sns:Publish", environment.arn("sns", environment.approvals_topic))}
            wanted |= {
                (f"kms:{action}", arns.arn("procedures", key))
                for action in ("Decrypt", "GenerateDataKey")
                for key in of_type(stack, "AWS::KMS::Key")
            }
        assert granted == wanted, one.name


def test_nobody_else_is_let_to_the_function(stack: Template) -> None:
    assert of_type(stack, "AWS::Lambda::Permission") == {}
    assert of_type(stack, "AWS::Lambda::EventSourceMapping") == {}


def test_the_topic_of_approvals_is_one_that_automation_takes_encrypted_and_over_tls(
    stack: Template, environment: Environment
) -> None:
    topic = stack.properties("AWS::SNS::Topic")
    assert topic["TopicName"] == f"Automation-{environment.prefix}-approvals"
    assert "KmsMasterKeyId" in topic
    (statement,) = stack.properties("AWS::SNS::TopicPolicy")["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_approvers_are_told_by_mail_where_there_is_an_address(stack: Template) -> None:
    assert of_type(stack, "AWS::SNS::Subscription") == {}
    with_mail = templates("everything", VARIANTS_CONFIG)["procedures"]
    found = with_mail.properties("AWS::SNS::Subscription")
    assert (found["Protocol"], found["Endpoint"]) == ("email", VARIANTS["everything"].procedures.email)


def test_it_comes_after_everything_that_it_acts_on(environment: Environment) -> None:
    before = dependencies(environment.name)
    assert {"remediation", "backend", "frontend"} <= before["procedures"]
    assert not [name for name, needed in before.items() if "procedures" in needed]
