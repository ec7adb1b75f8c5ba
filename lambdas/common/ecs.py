"""The states of a service deployment, as ECS names them.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeployment.html
"""

RUNNING = frozenset({"PENDING", "IN_PROGRESS"})
ROLLING_BACK = frozenset({"STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"})
