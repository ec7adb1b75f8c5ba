"""What an instance class of RDS has, by its name: its memory, and how many connections that serves."""

_BYTES_A_CONNECTION = 9531392
"""RDS's default of max_connections: LEAST({DBInstanceClassMemory/9531392}, 5000).
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html#RDS_Limits.MaxConnections"""
_MOST_CONNECTIONS = 5000

# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html
_BURSTABLE_GIB = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
_GIB_A_VCPU = {"m": 4, "r": 8, "x2g": 16, "x2idn": 16, "x2iedn": 32}
"""Of the families that begin so; the longest beginning counts."""


def memory_gib(instance_class: str) -> int | None:
    """The memory of an instance class; None of a family that the tables above do not have."""
    family, size = instance_class.split(".")[1:]
    if family.startswith("t"):
        return _BURSTABLE_GIB.get(size)
    vcpus = {"large": 2, "xlarge": 4}.get(size) or 4 * int(size.removesuffix("xlarge") or 0)
    ratios = [_GIB_A_VCPU[start] for start in sorted(_GIB_A_VCPU, key=len) if family.startswith(start)]
    return ratios[-1] * vcpus if ratios else None


def most_connections(instance_class: str) -> int | None:
    """As many connections as RDS itself allows an instance class by default: what its memory serves; None where not known."""
    memory = memory_gib(instance_class)
    return memory and min(memory * 2**30 // _BYTES_A_CONNECTION, _MOST_CONNECTIONS)
