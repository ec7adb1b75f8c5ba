"""The local cloud can make every resource of the templates."""

from typing import Any

from ministack.services.cloudformation import provisioners

from local.emulator.resource_types import BY_API, RECORDED

OPTIONAL = {"AWS::Chatbot::SlackChannelConfiguration"}
"""In the templates of an environment whose configuration asks for it; those of the tests do not."""


def test_every_type_of_the_templates_is_known_and_none_is_plugged_in_for_nothing(
    all_templates: dict[tuple[str, str], dict[str, Any]],
) -> None:
    used = {resource["Type"] for template in all_templates.values() for resource in template.get("Resources", {}).values()}
    known = BY_API.keys() | RECORDED.keys()
    assert used - known - provisioners._RESOURCE_HANDLERS.keys() == set()
    assert known - used == OPTIONAL
