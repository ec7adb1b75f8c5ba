from stacks.base import EnvironmentStack


class Frontend(EnvironmentStack):
    def __init__(self, scope, settings) -> None:
        super().__init__(scope, "frontend", settings, "the frontend")
