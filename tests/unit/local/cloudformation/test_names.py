"""CloudFormation's names are the ones that AWS gives."""

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from local.cloudformation.names import LONGEST, generated_name, refusal

# Names that AWS gave, as https://github.com/KensioSoftware/yulin/issues/1113 has them: the limit, the stack, the logical id (what
# was cut from it is not told), the suffix and the name.
SEEN = {
    "a role whose stack and logical id are cut": (
        64,
        "ChineseboostAnalyticsStack",
        "RainlyticsSummariesJobFunctionServiceRole",
        "UjecjFhpdr1d",
        "ChineseboostAnalyticsStac-RainlyticsSummariesJobFun-UjecjFhpdr1d",
    ),
    "a bucket, whose odd character goes to the stack": (
        63,
        "chineseboostanalyticsstack",
        "rainlyticslogsbucket8df4dd31",
        "hdst4ohfvdif",
        "chineseboostanalyticsstac-rainlyticslogsbucket8df4-hdst4ohfvdif",
    ),
    "a log group, where everything fits": (
        512,
        "ChineseboostAnalyticsStack",
        "RainlyticsSummariesJobLogs1C6CB09C",
        "UJ5n2NwuSPZB",
        "ChineseboostAnalyticsStack-RainlyticsSummariesJobLogs1C6CB09C-UJ5n2NwuSPZB",
    ),
}


@pytest.mark.parametrize("case", SEEN)
def test_a_name_is_generated_as_aws_generated_it(case: str) -> None:
    longest, stack, logical_id, suffix, name = SEEN[case]
    assert generated_name(stack, logical_id, longest, suffix) == name


def test_a_short_part_leaves_its_room_to_the_other() -> None:
    suffix = "x" * 12
    assert generated_name("s" * 10, "L" * 60, 64, suffix) == f"{'s' * 10}-{'L' * 40}-{suffix}"
    assert generated_name("s" * 60, "L" * 10, 64, suffix) == f"{'s' * 40}-{'L' * 10}-{suffix}"


@pytest.mark.parametrize("stack", [1, 24, 25, 26, 50, 128])
@pytest.mark.parametrize("logical_id", [1, 24, 25, 26, 50, 255])
def test_a_generated_name_is_as_long_as_can_be_and_no_longer(stack: int, logical_id: int) -> None:
    name = generated_name("s" * stack, "L" * logical_id, 64, "x" * 12)
    assert len(name) == min(64, stack + logical_id + 14)


def test_a_name_that_is_too_long_is_refused_in_awss_words() -> None:
    assert refusal("AWS::IAM::Role", {"RoleName": "r" * 64}) == ""
    assert refusal("AWS::IAM::Role", {"RoleName": "r" * 65}) == (
        f"1 validation error detected: Value '{'r' * 65}' at 'RoleName' failed to satisfy constraint: "
        "Member must have length less than or equal to 64"
    )


def test_a_name_inside_another_property_is_found() -> None:
    kind = "AWS::CloudFront::OriginAccessControl"
    assert refusal(kind, {"OriginAccessControlConfig": {"Name": "n" * 64}}) == ""
    assert "OriginAccessControlConfig.Name" in refusal(kind, {"OriginAccessControlConfig": {"Name": "n" * 65}})


def test_what_a_template_leaves_unnamed_is_not_refused() -> None:
    assert refusal("AWS::IAM::Role", {}) == ""


# The schemas' 1024 characters of a table are for its ARN, and their 253 of a domain for a certificate's further names.
WIDER = {"AWS::CertificateManager::Certificate", "AWS::DynamoDB::Table"}


@pytest.mark.parametrize("kind", sorted(LONGEST.keys() - WIDER))
def test_a_limit_is_the_resource_schemas_where_that_has_one(kind: str) -> None:
    path, longest = LONGEST[kind]
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    found = schema
    for part in path.split("."):
        found = found["properties"][part]  # KeyError: the type has no such property
        if "$ref" in found:
            found = schema["definitions"][found["$ref"].rpartition("/")[2]]
    assert found.get("maxLength", longest) == longest
