"""The golden templates: those of the fixture production, committed, so that a change of any property is reviewed as a diff.

`make golden` (`python -m tests.synth.golden`) renews them. What differs with every change of a function's code is left out.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.synth.assemblies import templates

FOLDER = Path(__file__).parent / "golden"
ENVIRONMENT = "production"


def normal(body: Mapping[str, Any]) -> str:
    """A template as it is committed: without the CDK's own metadata, and without the hashes of assets."""
    kept = {key: value for key, value in body.items() if key not in ("Conditions", "Parameters", "Rules")}
    kept["Parameters"] = {key: value for key, value in body["Parameters"].items() if key != "BootstrapVersion"}
    kept["Resources"] = {
        logical_id: {key: value for key, value in resource.items() if key != "Metadata"}
        for logical_id, resource in body["Resources"].items()
        if resource["Type"] != "AWS::CDK::Metadata"
    }
    return re.sub(r"\b[0-9a-f]{64}\b", "ASSET", json.dumps(kept, indent=1)) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.glob("*.json"):
        file.unlink()
    for component, template in templates(ENVIRONMENT).items():
        (FOLDER / f"{component}.json").write_text(normal(template.body))


if __name__ == "__main__":
    main()
