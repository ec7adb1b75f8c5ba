"""`make check-document`: whatever the file is, there is a status and a sentence."""

from pathlib import Path

import pytest

from local.automation.__main__ import main

GOOD = "schemaVersion: '0.3'\nmainSteps:\n- {name: Pause, action: 'aws:pause', inputs: {}}\n"


def test_a_good_document_has_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    assert main([str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: no problem found\n"


def test_each_problem_is_a_line_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(GOOD.replace("aws:pause", "aws:runCommand") + "outputs: [Pause.x, Other.y]\n")
    assert main([str(file)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{file}: line 3, mainSteps[0].action: aws:runCommand is not run on the local cloud",
        f"{file}: line 4, outputs[1]: there is no step Other",
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "this is empty"),
        (b"\xff\x00\xfe", "this is not text in UTF-8"),
        (b"a" * 70_000, "a document has at most 64 KB, this has more"),
        (b"- a", "line 1: a document is a map with schemaVersion and mainSteps"),
        (
            b"schemaVersion: '2.2'",
            "line 1, schemaVersion: this is a document of schema 2.2, and only Automation documents, of schema 0.3, are checked",
        ),
        (b"hello", "line 1: a document is a map with schemaVersion and mainSteps"),
    ],
)
def test_what_is_no_document_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, sentence: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert main([str(file)]) == 1
    assert capsys.readouterr().out == f"{file}: {sentence}\n"


def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, why in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file or directory")):
        assert main([str(path)]) == 1
        assert capsys.readouterr().out == f"{path}: this cannot be read: {why}\n"
    assert main(["a\0b"]) == 1
    assert main(["/dev/zero"]) == 1


@pytest.mark.parametrize("arguments", [[], [""], ["a", "b"]])
def test_one_file_has_to_be_named(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "make check-document FILE=" in capsys.readouterr().err
