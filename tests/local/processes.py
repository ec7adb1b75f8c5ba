"""Whether processes are gone."""

import subprocess


def alive(process_group: int) -> bool:
    """Whether a process group has a process that is not merely waiting to be asked after."""
    processes = subprocess.run(["ps", "-e", "-o", "pgid=,stat="], check=True, capture_output=True, text=True).stdout
    states = [line.split()[1] for line in processes.splitlines() if int(line.split()[0]) == process_group]
    return any(not state.startswith("Z") for state in states)


def gone(process_group: int) -> bool:
    """Whether a process group is gone, or goes in the time that a few looks take: the kernel closes sockets a little earlier."""
    return any(not alive(process_group) for _ in range(100))
