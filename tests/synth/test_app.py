"""`app.py` as the CLI runs it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from local.init.edit import put
from tests.environments import CONFIG
from tests.synth.assemblies import UNVALIDATED

ROOT = Path(__file__).parents[2]
OWN = {
    "account": '"210987654321"',
    "docs_url": '"https://git.acme.example/docs"',
    "domain.hosted_zone_id": '"Z08194101P8EXK"',
    "contacts.email": '"on-call@acme.example"',
    "procedures.approvers": '["arn:aws:iam::210987654321:role/approvers"]',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def changed(folder: Path, values: dict[str, str], name: str = "production") -> None:
    file = folder / f"{name}.toml"
    for key, value in values.items():
        file.write_text(put(file.read_text(), key, value))


def run(folder: Path, *command: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `app.py`, or a command, on the environments of a folder, with no credentials but what the variables say."""
    tools = os.pathsep.join((str(ROOT / "node_modules/.bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
    return subprocess.run(
        [str(part) for part in command or (sys.executable, ROOT / "app.py")],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK"))},
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DISABLE_CLI_TELEMETRY": "1",
            "PATH": tools,
            "CDK_CONTEXT_JSON": json.dumps(json.loads((ROOT / "cdk.json").read_text())["context"] | {"config": str(folder)}),
            "CDK_OUTDIR": str(folder.parent / "out"),
            **UNVALIDATED,
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def _a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "a wrong value": (
        lambda file: file.write_text(put(file.read_text(), "backend.min_tasks", "9")),
        "backend.min_tasks = 9 should be at most max_tasks = 4",
    ),
    "a folder": (_a_folder, "should be a file, and is a folder"),
    "an account and nothing else of one's own": (
        lambda file: file.write_text(
            put(file.read_text(), "docs_url", '"https://git.acme.example"').replace("123456789012", "210987654321")
        ),
        'domain.hosted_zone_id = "Z0EXAMPLEPROD" is an example and should be the id of your hosted zone, as `aws route53 '
        "list-hosted-zones` prints it\n"
        'config/production.toml: domain.zone = "hz-navigator.com" is an example with it and should be the name of that hosted zone, '
        'such as "acme.example"\n'
        'config/production.toml: contacts.email = "on-call@example.com" is an example and should be an address that you read: pages go '
        "there",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_configuration_prints_a_sentence_and_no_traceback(case: str, folder: Path) -> None:
    edit, sentence = WRONG[case]
    edit(folder / "production.toml")
    ran = run(folder)
    assert (ran.returncode, ran.stderr) == (1, f"config/production.toml: {sentence}\n")


class _Sts(BaseHTTPRequestHandler):
    """Says whose credentials they are, to whom they ask."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        told = "<Arn>arn:aws:iam::999988887777:root</Arn><UserId>1</UserId><Account>999988887777</Account>"
        body = (
            f"<GetCallerIdentityResponse><GetCallerIdentityResult>{told}</GetCallerIdentityResult></GetCallerIdentityResponse>"
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def credentials(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment variables of somebody with credentials for an account."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Sts) as server:
        Thread(target=server.serve_forever).start()
        yield {
            "AWS_ENDPOINT_URL": f"http://localhost:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "CDK_HOME": str(tmp_path / "home"),
        }
        server.shutdown()


def test_cdk_deploy_refuses_the_examples_value_by_value(folder: Path, credentials: dict[str, str]) -> None:
    ran = run(folder, "cdk", "deploy", "production/*", "--no-notices", "-c", f"config={folder}", **credentials)
    assert ran.returncode == 1
    *said, last = [line for line in ran.stderr.splitlines() if line.startswith(("config/", "Nothing"))]
    keys = ("account", "domain.hosted_zone_id", "domain.zone", "contacts.email", "docs_url", "procedures.approvers")
    starts = [f"config/{name}.toml: {key} = " for name in ("production", "staging") for key in keys]
    assert [line.startswith(start) for line, start in zip(said, starts, strict=True)] == [True] * 12
    assert all(" is an example " in line and " should be " in line for line in said)
    assert last == "Nothing can be deployed before these are replaced: `make init` asks for them."
    assert "Traceback" not in ran.stderr


def test_with_credentials_an_example_is_left_out_beside_one_that_is_not(folder: Path) -> None:
    changed(folder, OWN | {"protection": "true"})
    ran = run(folder, CDK_DEFAULT_ACCOUNT="210987654321")
    assert ran.returncode == 0
    assert {line.partition(":")[0] for line in ran.stderr.splitlines() if line.startswith("config/")} == {"config/staging.toml"}
    made = {path.name for path in (folder.parent / "out").glob("assembly-*")}
    assert made == {"assembly-production"}


def test_a_weak_production_is_said_loudly_by_a_quiet_synth(folder: Path) -> None:
    (folder / "staging.toml").unlink()
    weak = {
        "remediation": '"off"',
        "backend.min_tasks": "1",
        "network.zones": '["us-east-1a", "us-east-1b"]',
        "contacts.nobody": "true",
        "protection": "true",
    }
    changed(folder, weak | {"network.nat_gateways": "1"})
    file = folder / "production.toml"
    file.write_text("\n".join(line for line in file.read_text().splitlines() if not line.startswith("email")))
    synth = ("cdk", "synth", "--quiet", "--no-notices", "-c", f"config={folder}", "--output", folder.parent / "out")
    ran = run(folder, *synth)
    assert ran.returncode == 0
    said = [line for line in ran.stderr.splitlines() if line.startswith("config/")]
    keys = ("remediation", "contacts.nobody", "backend.min_tasks", "network.zones", "network.nat_gateways")
    assert [line.split(" ")[3] for line in said] == list(keys)
    assert all(line.startswith("config/production.toml: weak production: ") for line in said)
