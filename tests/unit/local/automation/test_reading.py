"""Reading a document: YAML and JSON become the same data with lines, and nothing that anybody wrote harms the reader."""

import json

import pytest

from local.automation.reading import MOST_BYTES, UnreadableError, decoded, place, printable, read


def test_yaml_and_json_are_the_same_data() -> None:
    data = {"a": [1, 2.5, True, None, "x: y"], "b": {"c": "{{ d }}"}, "empty": [], "smile": "😀"}
    text = "a: [1, 2.5, true, null, 'x: y']\nb: {c: '{{ d }}'}\nempty: []\nsmile: 😀\n"
    assert read(text).data == read(json.dumps(data)).data == read(json.dumps(data, indent="\t")).data == data


def test_each_place_has_its_line() -> None:
    source = read("a:\n- b: 1\n  c: 2\n- d\n")
    assert {path: source.lines[path] for path in [("a",), ("a", 0, "b"), ("a", 0, "c"), ("a", 1)]} == {
        ("a",): 1,
        ("a", 0, "b"): 2,
        ("a", 0, "c"): 3,
        ("a", 1): 4,
    }
    assert read('{\n "a": {\n\t"b": 1}}').lines["a", "b"] == 3


def test_a_problem_without_a_line_has_that_of_what_is_around_it() -> None:
    assert read("a:\n  b: 1\n").problem(("a", "b", "c"), "wrong").line == 2


def test_keys_that_are_there_twice_are_told() -> None:
    assert read("a: 1\nb: {c: 1, c: 2}\na: 3\n").repeated == [("b", "c"), ("a",)]
    assert read('{"a": 1, "a": 2}').repeated == [("a",)]


def test_dates_are_text() -> None:
    assert read("a: 2026-01-31T12:30:00Z\nb: 2026-01-31").data == {"a": "2026-01-31T12:30:00Z", "b": "2026-01-31"}


def test_aliases_and_merges_stand_for_what_they_name() -> None:
    assert read("a: &x {b: 1, c: 2}\nd: *x\ne: {<<: *x, c: 3}\n").data == {
        "a": {"b": 1, "c": 2},
        "d": {"b": 1, "c": 2},
        "e": {"b": 1, "c": 3},
    }


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "sentence", "line"),
    [
        ("", "this is empty", None),
        (" \n\t\n", "this is empty", None),
        ("# only a comment", "this is empty", None),
        ("[" * 1000, "this is nested deeper than 50 levels", 1),
        ("[" * 30_000, "this is nested deeper than 50 levels", 1),
        ("- " * 1000 + "x", "this is nested deeper than 50 levels", 1),
        (BOMB, "this has more than 50,000 values, with what its aliases stand for", 5),
        ("a: &a [*a]", "the alias *a stands for nothing before it", 1),
        ("a: !Ref b", "the tag !Ref is not one of plain YAML", 1),
        (
            "a: !!python/object/apply:os.system [ls]",
            "the tag tag:yaml.org,2002:python/object/apply:os.system is not one of plain YAML",
            1,
        ),
        ("--- a\n--- b", "this is more than one YAML document", 2),
        ("? [a]\n: b", "a key has to be text", 1),
        ('a: "b', "this is neither YAML nor JSON: found unexpected end of stream", 1),
        ("a: b: c", "this is neither YAML nor JSON: mapping values are not allowed here", 1),
        ("x" * (MOST_BYTES + 1), "a document has at most 64 KB, this has more", None),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_document_is_said_in_one_sentence(text: str, sentence: str, line: int | None) -> None:
    with pytest.raises(UnreadableError) as refused:
        read(text)
    assert (str(refused.value), refused.value.line) == (sentence, line)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UnreadableError, match="not text in UTF-8"):
        decoded(b"\xff\xfe\x00a")
    assert decoded(b"\xef\xbb\xbfa: 1") == "a: 1"


def test_a_place_reads_as_people_write_it() -> None:
    assert place(("mainSteps", 3, "inputs", "Api")) == "mainSteps[3].inputs.Api"
    assert place(("parameters", "a b", "type")) == 'parameters["a b"].type'


def test_what_others_wrote_moves_no_cursor() -> None:
    assert printable("a\x1b[31m\nb\u202e") == "a�[31m b�"
    assert len(printable("x" * 1000)) == 300
