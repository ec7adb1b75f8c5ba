"""The procedures of size (runbook 5.2)."""

from datetime import timedelta

from procedures.database import AWAY, HEALTH, MINUTES
from procedures.model import Call, Input, Procedure, Until
from runbook.sections import Section

_MINUTE = timedelta(minutes=1)
_SNAPSHOT = "Makes a manual snapshot, and waits until it is there."

SIZE = (
    Procedure(
        name="database-resize",
        section=Section.VERTICAL_SCALING,
        effect="Changes the instance class of the database, after a snapshot. The database is away for a minute or two.",
        duration="15 to 40 min",
        undo="Run it again with the class before. Write the class into config/ either way, as it says.",
        inputs=(
            Input(
                name="InstanceClass",
                what="The class to change to.",
                pattern=r"^db\.[a-z0-9-]{2,12}\.[a-z0-9-]{2,12}$",
                example="db.r6g.large",
            ),
        ),
        steps=(
            Until(name="Snapshot", what=_SNAPSHOT, every=_MINUTE),
            Until(name="Resize", what="Changes the class, and waits until the instance has it.", every=_MINUTE),
            Call(name="Verify", what="The instance has to be available in its new class."),
            HEALTH,
        ),
        approval=True,
        locks=AWAY,
        minutes=MINUTES,
    ),
    Procedure(
        name="cache-resize",
        section=Section.VERTICAL_SCALING,
        effect="Changes the node type of the cache, after a snapshot. Connections to it break for seconds.",
        duration="20 to 60 min",
        undo="Run it again with the type before. Write the type into config/ either way, as it says.",
        inputs=(
            Input(
                name="NodeType",
                what="The node type to change to.",
                pattern=r"^cache\.[a-z0-9-]{2,12}\.[a-z0-9]{2,12}$",
                example="cache.r6g.xlarge",
            ),
        ),
        steps=(
            Until(name="Snapshot", what=_SNAPSHOT, every=_MINUTE),
            Until(name="Resize", what="Changes the node type, and waits until every node has it.", every=_MINUTE),
            Call(name="Verify", what="The cache has to be available with its new nodes."),
            HEALTH,
        ),
        approval=True,
        minutes=MINUTES,
    ),
)
