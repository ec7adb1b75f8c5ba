"""The incident's page in a browser: its forms start procedures, and only for a page of its own."""

import http.client
import io
import json
from collections.abc import Iterator, Mapping
from threading import Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from lambdas.incident_page.page import html
from local.drills.operator import Execution
from local.incident_page import EXECUTIONS, FORMS, Server
from tests.environments import PRODUCTION
from tests.unit.lambdas.incident_page.incidents import GOES_ON, NAME, SETTINGS, at, incident

ROLLBACK, NOTE = PRODUCTION.document("backend-rollback"), PRODUCTION.document("incident-note")


class Ada:
    """An operator of no cloud, who keeps what was started."""

    name = "ada"
    cloud = SimpleNamespace(environment=PRODUCTION)

    def __init__(self) -> None:
        self.started: list[tuple[str, dict[str, list[str]]]] = []
        self.events: list[dict[str, Any]] = []
        self.refused = ""
        self.failed = False
        self.ssm = self

    def client(self, _: str) -> "Ada":
        return self

    def invoke(self, **given: str) -> dict[str, Any]:
        assert given["FunctionName"] == PRODUCTION.function("incident-page")
        self.events.append(json.loads(given["Payload"]))
        if self.failed:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "<no table>"}')}
        return {"Payload": io.BytesIO(json.dumps(html(incident(*GOES_ON[:2]), SETTINGS, at(3))).encode())}

    def start_automation_execution(self, **given: Any) -> dict[str, str]:
        if self.refused:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": self.refused}}, "StartAutomationExecution")
        self.started.append((given["DocumentName"], given["Parameters"]))
        return {"AutomationExecutionId": "an-execution"}

    def look(self, identifier: str) -> Execution:
        step = {"StepName": "Plan", "Outputs": {"Payload": [json.dumps({"said": "<b>It would go back.</b>"})]}}
        shown = {
            "AutomationExecutionId": identifier,
            "AutomationExecutionStatus": "Success",
            "DocumentName": ROLLBACK,
            "Parameters": {"DryRun": ["true"], "Revision": ["known-good"]},
            "StepExecutions": [step],
        }
        return Execution({}, shown)


@pytest.fixture
def ada() -> Ada:
    return Ada()


@pytest.fixture
def server(ada: Ada) -> Iterator[Server]:
    with Server(ada) as made:  # type: ignore[arg-type]
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def ask(server: Server, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, Mapping[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    given = {"Host": f"localhost:{server.server_port}", **headers}
    connection.request(method, path, body or None, given)
    answer = connection.getresponse()
    found = answer.status, answer.read().decode(), dict(answer.headers)
    connection.close()
    return found


def post(server: Server, document: str, **inputs: str) -> tuple[int, str, Mapping[str, str]]:
    return ask(server, "POST", f"{FORMS}{document}", urlencode(inputs), Origin=f"http://localhost:{server.server_port}")


def test_it_shows_what_the_function_shows_and_leads_to_its_own_forms(server: Server, ada: Ada) -> None:
    status, page, headers = ask(server, "GET", "/?theme=dark")
    assert (status, ada.events[0]["widgetContext"]["theme"]) == (200, "dark")
    assert f"{NAME} · P1" in page
    assert f'href="{FORMS}{ROLLBACK}?region=us-east-1&amp;DryRun=true&amp;Revision=known-good&amp;Reason=' in page
    assert "console.aws.amazon.com" not in page
    assert "default-src 'none'" in headers["Content-Security-Policy"], "no script runs, as in CloudWatch"


def test_it_shows_that_the_function_failed(server: Server, ada: Ada) -> None:
    ada.failed = True
    assert "&lt;no table&gt;" in ask(server, "GET", "/")[1]


def test_a_form_has_its_inputs_filled_in_and_is_a_dry_run_unless_the_address_says_otherwise(server: Server) -> None:
    _, page, _ = ask(server, "GET", f"{FORMS}{ROLLBACK}?region=us-east-1&Revision=42&Reason=%22%3E%3Cb%3E")
    assert 'name="Revision" value="42"' in page
    assert 'name="Reason" value="&quot;&gt;&lt;b&gt;"' in page
    assert page.index("<option>true</option>") < page.index("<option>false</option>")
    _, page, _ = ask(server, "GET", f"{FORMS}{ROLLBACK}?DryRun=false")
    assert page.index("<option>false</option>") < page.index("<option>true</option>")


def test_executing_a_form_starts_the_procedure_and_shows_its_execution(server: Server, ada: Ada) -> None:
    status, _, headers = post(server, NOTE, DryRun="false", Note="It is the cache", AutomationAssumeRole="another")
    assert (status, headers["Location"]) == (303, f"{EXECUTIONS}an-execution")
    assert ada.started == [(NOTE, {"DryRun": ["false"], "Note": ["It is the cache"]})]


def test_after_a_dry_run_the_page_leads_to_the_same_without_one(server: Server) -> None:
    _, page, _ = ask(server, "GET", f"{EXECUTIONS}an-execution")
    assert "&lt;b&gt;It would go back.&lt;/b&gt;" in page
    assert f'href="{FORMS}{ROLLBACK}?DryRun=false&amp;Revision=known-good"' in page


@pytest.mark.parametrize("document", [PRODUCTION.document("no-procedure"), "AWS-StopEC2Instance", ""])
def test_what_is_no_procedure_is_neither_shown_nor_started(server: Server, ada: Ada, document: str) -> None:
    assert ask(server, "GET", f"{FORMS}{document}")[0] == 404
    assert post(server, document)[0] == 404
    assert ada.started == []


def test_a_refusal_of_aws_is_shown(server: Server, ada: Ada) -> None:
    ada.refused = "<not you>"
    status, page, _ = post(server, NOTE, Note="It is the cache")
    assert (status, "&lt;not you&gt;" in page) == (400, True)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://localhost.evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
    ids=str,
)
def test_an_order_from_another_origin_is_refused(server: Server, ada: Ada, headers: dict[str, str]) -> None:
    assert ask(server, "POST", f"{FORMS}{NOTE}", urlencode({"Note": "It is the cache"}), **headers)[0] == 403
    assert ada.started == []


def test_a_name_that_only_leads_here_is_shown_nothing(server: Server) -> None:
    """As a page of another site could ask, whose name was made to lead to this machine."""
    assert ask(server, "GET", "/", Host=f"evil.example:{server.server_port}")[0] == 403


def test_it_listens_on_loopback_alone(server: Server) -> None:
    assert server.server_address[0] == "127.0.0.1"
