"""The drills: on an environment in the local cloud something is broken on purpose, and a timeline shows what happens."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console

from local.cloud import Cloud, CloudError
from local.drills import traces
from local.drills.catalog import DRILLS, run
from local.drills.drill import BEGIN, FAULT, Drill
from local.drills.of_trace import of_trace
from local.drills.simulation import MINUTE, QUIET_MINUTES, Simulation
from local.replay.trace import TraceError, read
from stacks.config import CONFIG, ConfigError, load
from stacks.environment import Environment


def drillable(name: str, config: Path) -> Environment:
    """An environment of a folder; ConfigError when it is not there, or its functions would not act."""
    environment = load(name, config)
    if environment.remediation != "on":
        raise ConfigError(f'{config.name}/{name}.toml: remediation = "{environment.remediation}" should be "on" for a drill')
    return environment


def drill(simulation: Simulation, drills: Mapping[str, Callable[[Drill], None]], console: Console, record: Path | None) -> bool:
    """Run drills one after another, and write the metrics of each to `<record>/<drill>.csv`, the files of its incident's
    post-mortem to `<record>/<drill>/`; whether all passed."""
    passed = []
    for name, drilled in drills.items():
        ran = run(name, simulation, console, drilled)
        passed.append(ran.passed)
        if record:
            begin, _ = ran.timeline.marks[BEGIN]
            fault, _ = ran.timeline.marks[FAULT]
            traces.write(record / f"{name}.csv", simulation, begin - QUIET_MINUTES * MINUTE)
            ran.save(record / name)
            start = f"START={fault:%Y-%m-%dT%H:%M:%SZ}"
            console.print(f"make replay ENV={simulation.environment.name} TRACE={record / name}.csv {start}", highlight=False)
    return all(passed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 when every check of the drills holds, 1 when one does not or the environment cannot be deployed."""
    drills = "\n".join(f"  {name}: {' '.join((function.__doc__ or '').split())}" for name, function in DRILLS.items())
    parser = argparse.ArgumentParser(
        prog="python -m local.drills",
        description=f"{__doc__}\n\ndrills:\n{drills}",
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("drill", nargs="*", help="which drills to run, all by default")
    parser.add_argument("--env", default="production", metavar="NAME", help="the environment, production by default")
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FOLDER", help="whose environments: config by default")
    parser.add_argument(
        "--record", type=Path, metavar="FOLDER", help="write each drill's metrics to FOLDER/<drill>.csv, for `make replay`"
    )
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="recorded metrics, as `make replay` takes them: a drill in which they happen"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.drill) - set(DRILLS):
        parser.error(f"{', '.join(sorted(unknown))} is no drill: choose from {', '.join(DRILLS)}")
    console = Console(soft_wrap=True)

    def report(text: str) -> None:
        console.print(text, style="dim", highlight=False)

    try:
        environment = drillable(options.env, options.config)
        if options.record:
            options.record.mkdir(parents=True, exist_ok=True)
        chosen = {name: DRILLS[name] for name in options.drill or ([] if options.trace else DRILLS)}
        if options.trace:
            chosen[f"trace-{options.trace.stem}"] = of_trace(read(options.trace), options.trace)
        with Cloud.start(environment, config=options.config, report=report) as cloud:
            cloud.deploy()
            with closing(Simulation(cloud)) as simulation:
                return 0 if drill(simulation, chosen, console, options.record) else 1
    except (CloudError, ConfigError, TraceError) as error:
        problem = str(error)
    except OSError as error:  # of the traces
        problem = f"{error.filename}: {error.strerror}."
    console.print(problem, style="bold red", highlight=False, markup=False)
    return 1


if __name__ == "__main__":
    sys.exit(main())
