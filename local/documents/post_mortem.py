"""The page of post-mortems, and the page of an incident: both show one that happened in a drill, as it was recorded.

`python -m local.documents.recording` records it anew.
"""

import json
import re
from pathlib import Path

from lambdas.common.record.events import Notified
from lambdas.common.record.incident import Incident
from lambdas.common.record.words import figures, imported, timeline
from local.documents.markdown import fill
from stacks.environment import Environment

RECORDED = Path(__file__).with_name("recorded")
"""The files of the incident: `incident.json` and `post-mortem.md`, as `postmortem` wrote them."""


def render(environment: Environment) -> str:
    """The page of post-mortems, with the recorded draft a heading lower."""
    draft = (RECORDED / "post-mortem.md").read_text(encoding="utf-8")
    words = {
        "example": re.sub("^#", "##", draft, flags=re.MULTILINE).rstrip(),
        "postmortem_function": environment.function("postmortem"),
    }
    return fill("post-mortem.md.template", environment, words)


def render_incident(environment: Environment) -> str:
    """The page of the incident: what people read, one after the other, and its record."""
    incident = recorded()
    told = [one for one in incident.events if isinstance(one, Notified) and one.channel == "people"]
    words = {
        "incident": incident.name,
        "messages": "\n\n".join(f"### {one.at:%H:%M:%S} UTC: {one.subject}\n\n{_block(one.text)}" for one in told),
        "figures": _block(figures(incident.times)),
        "timeline": _block(timeline(incident)),
    }
    return fill("incident.md.template", environment, words)


def recorded() -> Incident:
    """The incident of the drill."""
    return imported(json.loads((RECORDED / "incident.json").read_text(encoding="utf-8")))


def _block(text: str) -> str:
    return f"```\n{text}\n```"
