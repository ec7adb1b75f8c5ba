"""The ARNs that templates speak of, as they will be on AWS: references resolved, and CloudFormation's own names generated."""

from collections.abc import Iterator, Mapping
from typing import Any

from local.cloudformation.names import LONGEST, generated_name, given_name
from stacks.environment import Environment
from tests.synth.template import Template

_ARNS = {
    "AWS::CloudWatch::Alarm": "cloudwatch:{region}:{account}:alarm:{name}",
    "AWS::CloudWatch::CompositeAlarm": "cloudwatch:{region}:{account}:alarm:{name}",
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{name}",
    "AWS::ECR::Repository": "ecr:{region}:{account}:repository/{name}",
    "AWS::ECS::Cluster": "ecs:{region}:{account}:cluster/{name}",
    "AWS::Events::Rule": "events:{region}:{account}:rule/{name}",
    "AWS::ElastiCache::ParameterGroup": "elasticache:{region}:{account}:parametergroup:{name}",
    "AWS::ElastiCache::SubnetGroup": "elasticache:{region}:{account}:subnetgroup:{name}",
    "AWS::IAM::ManagedPolicy": "iam::{account}:policy/{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::KMS::Key": "kms:{region}:{account}:key/{name}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::RDS::DBSubnetGroup": "rds:{region}:{account}:subgrp:{name}",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::SecretsManager::Secret": "secretsmanager:{region}:{account}:secret:{name}-Ab1Cd2",
}

_REFERRED_TO_BY_ARN = ("AWS::IAM::ManagedPolicy", "AWS::SNS::Topic", "AWS::SecretsManager::Secret")

_UNKNOWN = "<resolved on AWS>"


class Arns:
    """The ARNs of one environment's templates, by component."""

    def __init__(self, environment: Environment, templates: Mapping[str, Template]) -> None:
        self._environment, self._templates = environment, templates
        self._exports = {
            output["Export"]["Name"]: (component, output["Value"])
            for component, template in templates.items()
            for output in template.body.get("Outputs", {}).values()
            if "Export" in output
        }

    def name(self, component: str, logical_id: str, longest: int | None = None) -> str:
        """A resource's physical name; a generated one as CloudFormation truncates it, or as if `longest` were the limit."""
        resource = self._templates[component].resources[logical_id]
        kind = resource["Type"]
        if kind not in LONGEST:
            return logical_id
        given = given_name(kind, resource.get("Properties", {}))
        if isinstance(given, str):
            return given
        return generated_name(self._environment.stack(component), logical_id, longest or LONGEST[kind][1], "UjecjFhpdr1d")

    def arn(self, component: str, logical_id: str, longest: int | None = None) -> str:
        """A resource's ARN; of a type that is not told apart here, it says only that it is known on AWS."""
        form = _ARNS.get(self._templates[component].resources[logical_id]["Type"])
        named = {"region": self._environment.region, "account": self._environment.account}
        return f"arn:aws:{form.format(name=self.name(component, logical_id, longest), **named)}" if form else _UNKNOWN

    def generated(self) -> Iterator[tuple[str, str]]:
        """The component and logical id of everything with an ARN whose name the template leaves to CloudFormation."""
        for component, template in self._templates.items():
            for logical_id, resource in template.resources.items():
                kind = resource["Type"]
                if kind in _ARNS and kind in LONGEST and given_name(kind, resource.get("Properties", {})) is None:
                    yield component, logical_id

    def text(self, component: str, value: Any) -> str:
        """A value of a component's template as text, such as an ARN."""
        if isinstance(value, str):
            return value
        function, argument = next(iter(value.items())) if isinstance(value, dict) and value else ("", "")
        if function == "Fn::Join":
            return str(argument[0]).join(self.text(component, part) for part in argument[1])
        if function == "Fn::ImportValue":
            return self.text(*self._exports[argument])
        if function == "Fn::GetAtt" and argument[1] == "Arn":
            return self.arn(component, argument[0])
        return self._referred(component, argument) if function == "Ref" else _UNKNOWN

    def _referred(self, component: str, argument: str) -> str:
        """What Ref returns."""
        resource = self._templates[component].resources.get(argument)
        if resource is None:
            return "aws" if argument == "AWS::Partition" else _UNKNOWN
        if resource["Type"] == "AWS::SecretsManager::SecretTargetAttachment":  # stands for its secret
            return self.text(component, resource["Properties"]["SecretId"])
        return (self.arn if resource["Type"] in _REFERRED_TO_BY_ARN else self.name)(component, argument)

    def patterns(self) -> Iterator[tuple[str, str]]:
        """Every ARN with a wildcard in the templates, with the component that has it."""
        for component, template in self._templates.items():
            for text in self._texts(component, template.resources):
                if text.startswith("arn:") and ("*" in text or "?" in text):
                    yield component, text

    def _texts(self, component: str, value: Any) -> Iterator[str]:
        if isinstance(value, str) or (isinstance(value, dict) and "Fn::Join" in value):
            yield self.text(component, value)
        elif isinstance(value, dict | list):
            for child in value.values() if isinstance(value, dict) else value:
                yield from self._texts(component, child)
