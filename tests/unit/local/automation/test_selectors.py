"""Selectors: the JSONPath that Automation documents, on AWS's own examples."""

import pytest

from local.automation.selectors import parsed, selected

# The response and the examples of
# https://docs.aws.amazon.com/systems-manager/latest/userguide/automation-action-outputs-inputs.html, shortened
RESPONSE = {
    "NextToken": "abcdefg",
    "Reservations": [
        {
            "Instances": [
                {
                    "ImageId": "ami-12345678",
                    "BlockDeviceMappings": [{"Ebs": {"DeleteOnTermination": True, "VolumeId": f"vol-{number}"}}],
                    "State": {"Code": code, "Name": name},
                }
            ],
            "Groups": [],
        }
        for number, code, name in ((0, 16, "running"), (1, 80, "stopped"))
    ],
}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("$.Reservations[0].Instances[0].ImageId", "ami-12345678"),
        ("$.Reservations[0].Instances[0].BlockDeviceMappings[0].Ebs.DeleteOnTermination", True),
        ("$.Reservations[0].Instances[0].State.Code", 16),
        ("$.Reservations..BlockDeviceMappings..VolumeId", ["vol-0", "vol-1"]),
        ("$.Reservations[1].Instances[0].State", {"Code": 80, "Name": "stopped"}),
        ("$.Reservations..Instances..State", [{"Code": 16, "Name": "running"}, {"Code": 80, "Name": "stopped"}]),
        ("$.Reservations[*].Instances[0].State.Name", ["running", "stopped"]),
        ("$['NextToken']", "abcdefg"),
        ("$.Reservations[-1].Instances[0].State.Code", 80),
        ("$..Nothing", []),
        ("$", RESPONSE),
    ],
)
def test_a_selector_selects(selector: str, expected: object) -> None:
    assert selected(parsed(selector), RESPONSE) == expected


@pytest.mark.parametrize("selector", ["$.Nothing", "$.Reservations[2]", "$.NextToken.Name", "$.Reservations.Name", "$[0]"])
def test_what_is_not_there_is_not_selected(selector: str) -> None:
    with pytest.raises(LookupError):
        selected(parsed(selector), RESPONSE)


@pytest.mark.parametrize(
    "selector", ["", "Name", "$Name", "$.", "$..", "$.A[?(@.B)]", "$.A.length()", "$.A[1:2]", "$.A[", "$.A B"]
)
def test_what_automation_does_not_document_is_no_selector(selector: str) -> None:
    with pytest.raises(ValueError, match="the selector"):
        parsed(selector)
