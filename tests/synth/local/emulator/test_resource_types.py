"""The local cloud can make every resource of the templates."""

from ministack.services.cloudformation import provisioners

from local.emulator.resource_types import BY_API, RECORDED
from tests.environments import ENVIRONMENTS, VARIANTS, VARIANTS_CONFIG
from tests.synth.assemblies import templates


def test_every_type_of_the_templates_is_known_and_none_is_plugged_in_for_nothing() -> None:
    stacks = [*map(templates, ENVIRONMENTS), *(templates(name, VARIANTS_CONFIG) for name in VARIANTS)]
    used = {resource["Type"] for found in stacks for template in found.values() for resource in template.resources.values()}
    known = BY_API.keys() | RECORDED.keys() | {"AWS::SSM::Document"}  # which `local.emulator.ssm_documents` makes
    assert used - known - provisioners._RESOURCE_HANDLERS.keys() == set()
    assert known - used == set()
