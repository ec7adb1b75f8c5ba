"""What was changed in the last hour, by what AWS remembers."""

import json
from typing import Any

from lambdas.diagnose.changes import console_actions, secrets, stacks, uploaded
from tests.environments import PRODUCTION
from tests.unit.lambdas.diagnose.aws import at

PREFIX = PRODUCTION.prefix


def event(name: str, parameters: Any, user: str = "ada", **told: Any) -> dict[str, Any]:
    return {
        "EventName": name,
        "EventSource": "rds.amazonaws.com",
        "EventTime": at(-5),
        "Username": user,
        "CloudTrailEvent": json.dumps({"requestParameters": parameters, **told}),
    }


def test_a_persons_change_says_what_on_what_when_and_by_whom() -> None:
    group = PRODUCTION.database_parameter_group
    (found,) = console_actions([event("ModifyDBParameterGroup", {"dBParameterGroupName": group})], PREFIX)
    assert found.kind == "configuration"
    assert found.words == f"11:55:00 UTC ModifyDBParameterGroup on {group} (rds), by ada"


def test_changes_of_other_systems_what_is_new_and_what_was_refused_are_left_out() -> None:
    others = [
        event("ModifyDBInstance", {"dBInstanceIdentifier": "somebody-elses"}),
        event("ModifyDBInstance", {"dBInstanceIdentifier": PRODUCTION.database_instance}, errorCode="AccessDenied"),
        event("CreateLogStream", {"logGroupName": f"{PREFIX}-x"}),
        event("CreateDBSnapshot", {"dBInstanceIdentifier": PRODUCTION.database_instance}),
        {**event("ModifyDBInstance", {}), "CloudTrailEvent": "not JSON"},
        event("ModifyDBInstance", None),
    ]
    assert console_actions(others, PREFIX) == []


def test_the_resource_is_the_longest_name_of_the_first_level() -> None:
    arn = PRODUCTION.arn("ecs", f"service/{PRODUCTION.cluster}/{PRODUCTION.service}")
    parameters = {"cluster": PRODUCTION.cluster, "service": arn, "more": [{"deep": f"{PREFIX}-{'x' * 80}"}]}
    (found,) = console_actions([event("UpdateService", parameters)], PREFIX)
    assert found.what == f"UpdateService on {PRODUCTION.service} (rds)"
    assert found.kind == "release"


def test_a_stack_that_was_made_changes_nothing_that_served() -> None:
    made = {"StackName": f"{PREFIX}-backend", "StackStatus": "CREATE_COMPLETE", "CreationTime": at(-20)}
    updated = {**made, "StackStatus": "UPDATE_COMPLETE", "LastUpdatedTime": at(-3)}
    other = {**made, "StackName": "somebody-elses"}
    assert [(one.at, one.kind) for one in stacks([made, updated, other], PREFIX)] == [
        (at(-20), "other"),
        (at(-3), "configuration"),
    ]


def test_a_secret_counts_once_it_was_changed() -> None:
    made = {"Name": f"{PREFIX}-jwt", "CreatedDate": at(-90), "LastChangedDate": at(-90)}
    assert [one.what for one in secrets([made, {**made, "LastChangedDate": at(-2)}])] == [f"secret {PREFIX}-jwt changed"]


def test_the_page_of_the_frontend_says_when_it_was_released() -> None:
    found = uploaded([{"Key": "index.html", "LastModified": at(-4)}, {"Key": "index.html.map", "LastModified": at(-4)}])
    assert [(one.at, one.kind) for one in found] == [(at(-4), "frontend")]
