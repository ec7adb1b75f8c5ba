"""The procedures: an Automation document each, under a role of its own, and the topic for what waits for an approval."""

from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from procedures.catalog import PROCEDURES
from procedures.documents import document
from procedures.model import Invoke, Procedure
from stacks.base import EnvironmentStack
from stacks.cache import Cache
from stacks.database import Database
from stacks.environment import Environment
from stacks.functions.procedures import procedures
from stacks.remediation import Remediation


class Procedures(EnvironmentStack):
    """Deployed last: it acts on everything else, and nothing needs it."""

    def __init__(
        self, scope: Construct, environment: Environment, remediation: Remediation, database: Database, cache: Cache
    ) -> None:
        super().__init__(scope, "procedures", environment, "the procedures that people start, and their approvals")
        self._environment = environment
        self._function = procedures(self, environment, remediation, database.key.key_arn, cache.key.key_arn)
        self._approvals = self._topic()
        for one in PROCEDURES:
            self._document(one)

    def _topic(self) -> sns.Topic:
        """The topic of approvals, encrypted and reached by TLS only; approvers read it by mail where there is an address."""
        environment = self._environment
        topic = sns.Topic(self, "Approvals", topic_name=environment.approvals_topic, master_key=self.key, enforce_ssl=True)
        if environment.procedures.email:
            topic.add_subscription(subscriptions.EmailSubscription(environment.procedures.email))
        return topic

    def _document(self, procedure: Procedure) -> None:
        """The document, and its role: Automation alone may take it, for an execution of this account.

        https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-setup-iam.html
        """
        environment = self._environment
        name = "".join(map(str.capitalize, procedure.name.split("-")))
        called = {one.function for one in procedure.steps if isinstance(one, Invoke)}
        statements = [
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"],
                resources=[
                    self._function.function_arn,
                    *map(environment.function_arn, sorted(called)),
                ],
            ),
            *(
                iam.PolicyStatement(actions=list(grant.actions), resources=list(grant.resources(environment)))
                for grant in procedure.grants
            ),
        ]
        if procedure.approval and environment.procedures.approvers:
            statements += [
                iam.PolicyStatement(actions=["sns:Publish"], resources=[self._approvals.topic_arn]),
                iam.PolicyStatement(
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    resources=[self.key.key_arn],
                    conditions={"StringEquals": {"kms:ViaService": f"sns.{environment.region}.amazonaws.com"}},
                ),
            ]
        policy = iam.ManagedPolicy(self, f"{name}Policy", statements=statements)
        role = iam.Role(
            self,
            f"{name}Role",
            role_name=environment.document(procedure.name),
            description=f"What the procedure {procedure.name} does, under Automation only",
            assumed_by=iam.ServicePrincipal(
                "ssm.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": environment.account},
                    "ArnLike": {"aws:SourceArn": environment.arn("ssm", "automation-execution/*")},
                },
            ),
            managed_policies=[policy],
        )
        made = ssm.CfnDocument(
            self,
            f"{name}Document",
            name=environment.document(procedure.name),
            document_type="Automation",
            document_format="JSON",
            content=document(procedure, environment),
            # A new version beside the old ones: an execution goes on with the version that it was started with.
            update_method="NewVersion",
        )
        made.node.add_dependency(role)
