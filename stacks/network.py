from stacks.base import EnvironmentStack


class Network(EnvironmentStack):
    def __init__(self, scope, settings) -> None:
        super().__init__(scope, "network", settings, "the network")
