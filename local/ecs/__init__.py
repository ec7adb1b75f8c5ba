"""Service deployments of Amazon ECS, without an emulator: the rollout as a state machine, and the operations on it."""
