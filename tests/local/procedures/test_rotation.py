"""The procedures of rotation on the local cloud: store, secret and service agree at the end, wherever they are cut short."""

import pytest

from lambdas.procedures.run import RefusedError, VerifyError
from local.cloud import Cloud

from .stores import PASSWORD, TOKEN, Stores, cuts


@pytest.fixture
def stores(empty_cloud: Cloud) -> Stores:
    return Stores(empty_cloud)


def rotate_password(stores: Stores) -> None:
    stores.run("rotate-database-password")


def rotate_token(stores: Stores) -> None:
    stores.run("rotate-cache-token")


def test_the_database_accepts_the_new_password_and_the_old_one_no_more(stores: Stores) -> None:
    rotate_password(stores)
    assert stores.password != PASSWORD
    assert (stores.accepts_password(stores.password), stores.accepts_password(PASSWORD)) == (True, False)


def test_the_secret_keeps_its_other_keys_and_the_value_before(stores: Stores) -> None:
    before = stores.secret(stores.settings.database_secret)
    rotate_password(stores)
    after = stores.secret(stores.settings.database_secret)
    assert after.replace(stores.password, PASSWORD) == before
    assert stores.secret(stores.settings.database_secret, "AWSPREVIOUS") == before
    assert "AWSPENDING" not in stores.stages(stores.settings.database_secret)


def test_the_service_is_restarted_after_the_secret_has_the_password(stores: Stores) -> None:
    before = stores.deployments
    rotate_password(stores)
    assert stores.deployments == before + 1


def test_a_rotated_password_has_a_way_back(stores: Stores) -> None:
    rotate_password(stores)
    second = stores.password
    stores.run("rotate-database-password", To="previous")
    assert (stores.password, stores.accepts_password(PASSWORD)) == (PASSWORD, True)
    stores.run("rotate-database-password", To="previous")
    assert (stores.password, stores.accepts_password(second)) == (second, True)


def test_without_a_value_before_there_is_no_way_back(stores: Stores) -> None:
    for procedure in ("rotate-database-password", "rotate-cache-token"):
        with pytest.raises(RefusedError, match="no value before"):
            stores.run(procedure, To="previous")


def test_no_password_is_said(stores: Stores) -> None:
    said = stores.run("rotate-database-password")
    assert stores.password not in str(said)
    assert PASSWORD not in str(said)


def test_a_password_with_which_no_task_connects_is_found_before_the_service_is_restarted(stores: Stores) -> None:
    stores.cloud.control("tasks_write", 'client.query("SELECT 1")', ["password authentication failed"], 1)
    try:
        with pytest.raises(VerifyError, match="password authentication failed"):
            rotate_password(stores)
        made = stores.ecs.list_service_deployments(cluster=stores.name, service=stores.name)["serviceDeployments"]
        assert len(made) == 1
    finally:
        stores.cloud.control("tasks_write", 'client.query("SELECT 1")', ["connected"], 0)
    rotate_password(stores)
    assert stores.accepts_password(stores.password)


def test_a_password_rotation_that_dies_anywhere_is_ended_by_the_next(empty_cloud: Cloud) -> None:
    found = []
    for where, stores in cuts(empty_cloud, rotate_password):
        assert stores.password != PASSWORD, where
        assert stores.accepts_password(stores.password), where
        assert "AWSPENDING" not in stores.stages(stores.settings.database_secret), where
        found.append(where)
    assert len(found) >= 10


def test_the_cache_accepts_only_the_new_token_at_the_end(stores: Stores) -> None:
    rotate_token(stores)
    assert stores.token != TOKEN
    assert (stores.accepts_token(stores.token), stores.accepts_token(TOKEN)) == (True, False)
    assert stores.secret(stores.settings.cache_url_secret) == f"rediss://:{stores.token}@cache:6379"


def test_both_tokens_are_accepted_while_the_service_restarts(stores: Stores) -> None:
    accepted = []

    def look(model: object, **_: object) -> None:
        accepted.append([stores.accepts_token(TOKEN), stores.accepts_token(stores.token)])

    stores.ecs.meta.events.register("before-call.ecs.UpdateService", look)
    rotate_token(stores)
    assert accepted == [[True, True]]


def test_a_rotated_token_has_a_way_back(stores: Stores) -> None:
    rotate_token(stores)
    second = stores.token
    stores.run("rotate-cache-token", To="previous")
    assert (stores.token, stores.accepts_token(TOKEN), stores.accepts_token(second)) == (TOKEN, True, False)
    assert TOKEN in stores.secret(stores.settings.cache_url_secret)


def test_a_token_rotation_that_dies_anywhere_is_ended_by_the_next(empty_cloud: Cloud) -> None:
    found = []
    for where, stores in cuts(empty_cloud, rotate_token):
        assert stores.token != TOKEN, where
        assert (stores.accepts_token(stores.token), stores.accepts_token(TOKEN)) == (True, False), where
        assert stores.token in stores.secret(stores.settings.cache_url_secret), where
        assert "AWSPENDING" not in stores.stages(stores.settings.cache_secret), where
        found.append(where)
    assert len(found) >= 16
