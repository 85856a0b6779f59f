"""What commands print."""

from __future__ import annotations

import pytest

from hookward.domain.errors import Problem, RequestRejected
from hookward.entrypoints.cli import output


def test_a_complete_list_is_one_line_of_json_like_the_last_page_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json_list([{"id": 1}])
    assert capsys.readouterr().out == '{"data": [{"id": 1}], "nextCursor": null}\n'


@pytest.mark.parametrize(
    ("text", "keep", "printed"),
    [("a\x1b[2J", "", "a\\x1b[2J"), ("a\nb", "", "a\\nb"), ("a\nb\tc", "\n\t", "a\nb\tc"), ("Zoë ✓", "", "Zoë ✓")],
)
def test_characters_that_are_not_printable_are_escaped_unless_kept(text: str, keep: str, printed: str) -> None:
    assert output.printable(text, keep=keep) == printed


def test_a_record_has_its_values_in_one_column(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_record({"id": "wat_1", "scopes": ["a", "b"], "n": None, "on": True})
    assert capsys.readouterr().out.splitlines() == ["id      wat_1", "scopes  a, b", "n       -", "on      true"]


def test_a_table_is_not_wrapped_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("Id", "Name"), [("1", "x" * 300), ("2", None)], empty="nothing")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line[:1] in "12I"] == [["Id", "Name"], ["1", "x" * 300], ["2", "-"]]


def test_an_empty_table_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("Id",), [], empty="no watches")
    assert capsys.readouterr().out == "no watches\n"


def test_results_name_each_error_and_exit_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        output.print_results({"a": None, "b": "there is none"}, "was deleted", as_json=False)
    assert (ended.value.code, *capsys.readouterr()) == (1, "a was deleted\n", "hookward: b: there is none\n")


def test_a_refused_request_is_printed_with_every_problem(capsys: pytest.CaptureFixture[str]) -> None:
    problems = (Problem(message="wrong", pointer="/name"), Problem(message="bad", parameter="limit"))
    with pytest.raises(SystemExit) as ended:
        output.fail(RequestRejected("it has problems", problems))
    assert (ended.value.code, *capsys.readouterr()) == (
        1,
        "",
        "hookward: it has problems\n  name: wrong\n  limit: bad\n",
    )
