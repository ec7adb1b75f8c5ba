"""What the procedures of the database and the cache know: `StoresSettings`."""

from typing import Annotated

from lambdas.common.settings import FROM_JSON, Name, Settings


class StoresSettings(Settings):
    """The names of what they read and change, and of the service that uses it."""

    cluster: Name
    service: Name
    container: Name
    application: Name
    """Begins the names of manual snapshots."""
    database_instance: Name
    database_parameter_group: Name
    database_secret: Name
    """JSON keys: username, password, host, port, dbname."""
    database_variables: Annotated[dict[str, str], FROM_JSON]
    """The container's variable with each key of the database's secret, by the key."""
    replication_group: Name
    cache_secret: Name
    """JSON key: token."""
    cache_url_secret: Name
    backend_log_group: Name
    config_file: Name
    """The environment's file in the repository, in words."""

    @property
    def restored_instance(self) -> str:
        """What a backup is restored into."""
        return f"{self.database_instance}-restored"

    @property
    def instances_before(self) -> str:
        """What the names of the instances begin with that another took the place of."""
        return f"{self.database_instance}-before-"
