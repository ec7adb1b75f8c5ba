"""Rotation of the database's password and of the cache's auth token.

A new value is in Secrets Manager before anything else knows it, as the version AWSPENDING, and stays there until all is done.
What is done is seen from the versions' stages, so that a rotation that was interrupted anywhere goes on when it is run again:
- no AWSPENDING: nothing is begun;
- AWSPENDING beside AWSCURRENT: the store may have the new value, and has it with the stage GIVEN; the service has not;
- both of one version: store and secret have it, the service may not.
The value before stays AWSPREVIOUS, and the way back is the same procedure with To=previous.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html#term_version
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.common.clock import Clock
from lambdas.procedures.instances import Instances, settled, waits_for
from lambdas.procedures.one_off import Ended, OneOff
from lambdas.procedures.restarts import Restarts
from lambdas.procedures.run import Answer, RefusedError, Run, Step, Steps, VerifyError, waiting
from lambdas.procedures.stores import StoresSettings

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_elasticache import ElastiCacheClient
    from mypy_boto3_rds import RDSClient

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
GIVEN, ALONE = "GIVEN", "ALONE"
"""Stages of our own: the store has the version's value; it accepts no other."""

CONNECTS = r"""
const { Client } = require("pg");
const of = Object.fromEntries(Object.entries(JSON.parse(process.env.VARIABLES)).map(([key, name]) => [key, process.env[name]]));
const client = new Client({ host: of.host, port: of.port, user: of.username, password: of.password, database: of.dbname,
  connectionTimeoutMillis: 10000 });
client.connect().then(() => client.query("SELECT 1")).then(() => client.end()).then(() => console.log("connected"))
  .catch((error) => { console.error(error.message); process.exit(1); });
"""
"""A program for Node.js that connects to the database as the service does."""


@dataclass(frozen=True)
class Versions:
    """The versions of a secret that have a stage."""

    current: str
    pending: str | None
    previous: str | None
    marks: Mapping[str, str]

    @property
    def promoted(self) -> bool:
        """Whether nothing is pending that is not current."""
        return self.pending in (None, self.current)


class Versioned:
    """A secret whose next value is prepared, then promoted."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self.name = name

    def versions(self) -> Versions:
        """Which version has which stage."""
        stages = self._client.describe_secret(SecretId=self.name)["VersionIdsToStages"]
        by_stage = {stage: version for version, found in stages.items() for stage in found}
        return Versions(by_stage[CURRENT], by_stage.get(PENDING), by_stage.get(PREVIOUS), by_stage)

    def value(self, stage: str = CURRENT) -> str:
        return str(self._client.get_secret_value(SecretId=self.name, VersionStage=stage)["SecretString"])

    def prepare(self, value: Callable[[], str], run: Run) -> None:
        """Give the secret a version AWSPENDING: a new one, or the previous one. RefusedError when there is none to go back to.

        One that is there already stays: it may be in the store. The token makes a second call the same version."""
        versions, back = self.versions(), run.inputs.get("To") == "previous"
        if versions.pending:
            return
        if not back:
            self._client.put_secret_value(
                SecretId=self.name, ClientRequestToken=run.execution, SecretString=value(), VersionStages=[PENDING]
            )
        elif versions.previous:
            self._client.update_secret_version_stage(
                SecretId=self.name, VersionStage=PENDING, MoveToVersionId=versions.previous
            )
        else:
            raise RefusedError(f"{self.name} has no value before the current one to go back to.")

    def promote(self) -> None:
        """Make the version AWSPENDING the current one; the one before becomes AWSPREVIOUS. Harmless when it is."""
        versions = self.versions()
        if versions.pending and not versions.promoted:
            self._client.update_secret_version_stage(
                SecretId=self.name,
                VersionStage=CURRENT,
                MoveToVersionId=versions.pending,
                RemoveFromVersionId=versions.current,
            )

    def mark(self, stage: str) -> None:
        """Give the version AWSPENDING a stage, in place of the one that has it. Harmless when it has it."""
        versions = self.versions()
        before = versions.marks.get(stage)
        if versions.pending and before != versions.pending:
            moved = {"RemoveFromVersionId": before} if before else {}
            self._client.update_secret_version_stage(
                SecretId=self.name, VersionStage=stage, MoveToVersionId=versions.pending, **moved
            )

    def marked(self, stage: str) -> bool:
        """Whether the version AWSPENDING has a stage."""
        versions = self.versions()
        return versions.pending is not None and versions.marks.get(stage) == versions.pending

    def finish(self) -> None:
        """Nothing is pending any more. Harmless when nothing is."""
        if pending := self.versions().pending:
            self._client.update_secret_version_stage(SecretId=self.name, VersionStage=PENDING, RemoveFromVersionId=pending)

    def begun(self, run: Run) -> str:
        """What is found of an earlier rotation, in words; RefusedError when it has to be ended first."""
        versions = self.versions()
        if versions.pending is None:
            if run.inputs.get("To") == "previous" and not versions.previous:
                raise RefusedError(f"{self.name} has no value before the current one to go back to.")
            return ""
        return " A rotation was begun before and not ended: it goes on with the value that it prepared."


class Rotation:
    """The procedures `rotate-database-password` and `rotate-cache-token` of one environment."""

    def __init__(
        self,
        settings: StoresSettings,
        *,
        rds: "RDSClient",
        elasticache: "ElastiCacheClient",
        ecs: "ECSClient",
        logs: Any,
        secrets: Any,
        clock: Clock,
        healthy: Step,
    ) -> None:
        self._settings = settings
        self._healthy = healthy
        self._rds = rds
        self._cache = elasticache
        self._secrets = secrets
        self._instances = Instances(settings, rds, clock)
        self._tasks = OneOff(settings, ecs, logs)
        self._restarts = Restarts(settings, ecs)
        self._password = Versioned(secrets, settings.database_secret)
        self._token = Versioned(secrets, settings.cache_secret)
        self._url = Versioned(secrets, settings.cache_url_secret)

    def steps(self) -> Steps:
        """The steps of each procedure, by name."""
        restart = {"Restart": self._restarts.begin, "Restarted": self._restarts.wait}
        return {
            "rotate-database-password": {
                "Plan": self.plan_password,
                "Prepare": self.prepare_password,
                "Change": self.change_password,
                "Promote": self.promote_password,
                "Connect": self.connect,
                **restart,
                "Health": self._healthy,
                "Finish": self.finish_password,
            },
            "rotate-cache-token": {
                "Plan": self.plan_token,
                "Prepare": self.prepare_token,
                "Rotate": self.rotate_token,
                "Promote": self.promote_token,
                **restart,
                "Set": self.set_token,
                "Health": self._healthy,
                "Finish": self.finish_token,
            },
        }

    # The database's password

    def plan_password(self, run: Run) -> Answer:
        self._instances.available(self._settings.database_instance)
        begun = self._password.begun(run)
        return {
            "said": f"{self._settings.database_instance} gets {_which(run)} password, and {self._settings.service} reads it at "
            "a rolling restart. Until a task is replaced it opens no new connection: errors for some minutes. "
            f"The value before stays in {self._settings.database_secret} as {PREVIOUS}.{begun}"
        }

    def prepare_password(self, run: Run) -> Answer:
        """The next value of the secret: the current one with another password, and nothing else changed."""

        def value() -> str:
            return json.dumps({**json.loads(self._password.value()), "password": self._random(32)})

        self._password.prepare(value, run)
        return {"said": f"{self._settings.database_secret} has {_which(run)} value, {PENDING}."}

    def change_password(self, _: Run) -> Answer:
        """Give the instance the value AWSPENDING, and wait until it has it. An instance takes the same password twice."""
        name = self._settings.database_instance
        if not settled(live := self._instances.get(name)):
            return waits_for(live)
        if self._password.versions().promoted or self._password.marked(GIVEN):
            return {"said": f"{name} has the password."}
        password = json.loads(self._password.value(PENDING))["password"]
        self._rds.modify_db_instance(DBInstanceIdentifier=name, MasterUserPassword=password, ApplyImmediately=True)
        self._password.mark(GIVEN)
        return waiting(f"{name} gets the password.")

    def promote_password(self, _: Run) -> Answer:
        """Tasks that start from now on have the password that the instance has."""
        self._password.promote()
        return {"said": f"{self._settings.database_secret} has the value as {CURRENT}, and the one before as {PREVIOUS}."}

    def connect(self, run: Run) -> Answer:
        """A task of the service connects with the current secret. TaskError when it cannot."""
        names = {"VARIABLES": json.dumps(self._settings.database_variables)}
        ended = self._tasks.run(run, ("node", "-e", CONNECTS), names)
        return {"said": "A new task connects with the password."} if isinstance(ended, Ended) else ended

    def finish_password(self, _: Run) -> Answer:
        self._password.finish()
        return {"said": "The password is rotated. The way back is rotate-database-password with To=previous."}

    # The cache's token

    def plan_token(self, run: Run) -> Answer:
        if (status := self._group()["Status"]) != "available":
            raise RefusedError(f"{self._settings.replication_group} is {status}, and should be available.")
        begun = self._token.begun(run)
        return {
            "said": f"{self._settings.replication_group} gets {_which(run)} token beside the one that it has, "
            f"{self._settings.service} reads it at a rolling restart, and then only that one is accepted. Nothing is away. "
            f"The value before stays in {self._settings.cache_secret} as {PREVIOUS}.{begun}"
        }

    def prepare_token(self, run: Run) -> Answer:
        """The next values of both secrets: the token, and the URL with the token in it."""
        self._token.prepare(lambda: json.dumps({"token": self._random(64)}), run)
        if self._url.versions().pending is None and self._token.versions().pending:
            before, after = (json.loads(self._token.value(stage))["token"] for stage in (CURRENT, PENDING))
            url = self._url.value()
            if before != after and before not in url:
                raise VerifyError(f"{self._settings.cache_url_secret} has not the token of {self._token.name} in it.")
            self._url.prepare(lambda: url.replace(before, after), run)
        names = f"{self._settings.cache_secret} and {self._settings.cache_url_secret}"
        return {"said": f"{names} have {_which(run)} value, {PENDING}."}

    def rotate_token(self, _: Run) -> Answer:
        """Let the group accept the new token beside the old one, and wait until it does."""
        name = self._settings.replication_group
        if (status := self._group()["Status"]) != "available":
            return waiting(f"{name} is {status}.")
        if self._token.versions().promoted or self._token.marked(GIVEN):
            return {"said": f"{name} accepts both tokens."}
        self._modify("ROTATE")
        self._token.mark(GIVEN)
        return waiting(f"{name} gets the token.")

    def promote_token(self, _: Run) -> Answer:
        """Tasks that start from now on have the token. The URL is what they read, so it comes last."""
        self._token.promote()
        self._url.promote()
        return {"said": f"{self._settings.cache_url_secret} has the value as {CURRENT}, and the one before as {PREVIOUS}."}

    def set_token(self, _: Run) -> Answer:
        """Let the group accept only the new token, and wait until it does. VerifyError while the secret has it not."""
        name = self._settings.replication_group
        if not self._token.versions().promoted:
            raise VerifyError(f"{self._settings.cache_secret} has not the new token yet.")
        if (status := self._group()["Status"]) != "available":
            return waiting(f"{name} is {status}.")
        if self._token.versions().pending is None or self._token.marked(ALONE):
            return {"said": f"{name} accepts only the new token."}
        try:
            self._modify("SET")
        except self._cache.exceptions.InvalidParameterCombinationException:
            # Allowed only after ROTATE, which was done: so the answer to an earlier SET was lost.
            if not self._token.marked(GIVEN):
                raise
        self._token.mark(ALONE)
        return waiting(f"{name} gives up the token before.")

    def _modify(self, strategy: str) -> None:
        self._cache.modify_replication_group(
            ReplicationGroupId=self._settings.replication_group,
            AuthToken=json.loads(self._token.value(PENDING))["token"],
            AuthTokenUpdateStrategy=strategy,  # type: ignore[arg-type]
            ApplyImmediately=True,
        )

    def finish_token(self, _: Run) -> Answer:
        self._url.finish()
        self._token.finish()
        return {"said": "The token is rotated. The way back is rotate-cache-token with To=previous."}

    def _group(self) -> Any:
        answer: Any = self._cache.describe_replication_groups(ReplicationGroupId=self._settings.replication_group)
        return answer["ReplicationGroups"][0]

    def _random(self, length: int) -> str:
        """Letters and digits: they need no encoding in a URL."""
        answer = self._secrets.get_random_password(PasswordLength=length, ExcludePunctuation=True, RequireEachIncludedType=True)
        return str(answer["RandomPassword"])


def _which(run: Run) -> str:
    return "the previous" if run.inputs.get("To") == "previous" else "a new"
