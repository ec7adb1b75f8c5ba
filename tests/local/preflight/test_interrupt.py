"""Ctrl-C while AWS does not answer."""

import os
import signal
import socket
import subprocess
import sys

from local.cloud import ROOT, synthesize
from tests.environments import CONFIG


def test_ctrl_c_prints_one_line() -> None:
    synthesize(CONFIG)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        variables = {
            **os.environ,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        command = [sys.executable, "-m", "local.preflight", "production", "--config", str(CONFIG)]
        with subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            connection, _ = silent.accept()  # it has asked, and waits
            process.send_signal(signal.SIGINT)
            printed = process.communicate()
            connection.close()
    assert printed == ("Interrupted.\n", "")
    assert process.returncode == 130
