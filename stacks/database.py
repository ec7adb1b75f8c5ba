from stacks.base import EnvironmentStack


class Database(EnvironmentStack):
    def __init__(self, scope, settings, network) -> None:
        super().__init__(scope, "database", settings, "the database")
