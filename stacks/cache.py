from stacks.base import EnvironmentStack


class Cache(EnvironmentStack):
    def __init__(self, scope, settings, network) -> None:
        super().__init__(scope, "cache", settings, "the cache")
