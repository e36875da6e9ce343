"""The mutants of `make mutants`, and the processes that try them."""

import subprocess
import sys
import textwrap

import pytest

from tests.support import ROOT
from tests.support.mutants import mutants


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("a < b", ["(a <= b)"]),
        ("a == b", ["(a != b)"]),
        ("a + 1 is not b", ["((a + 1) is b)", "(a - 1)", "2"]),
        ("a < b < c", []),
        ("a and b or c", ["((a and b) and c)", "(a and b)", "(c)", "(a or b)", "(a)", "(b)"]),
        ("not a", ["(a)"]),
        ("-1", ["(1)", "2"]),
        ("a if b else c", ["(c if b else a)"]),
        ("f(True, k=0.5)", ["False", "1.5"]),
        ("(408, 429)", ["(408,)", "(429,)", "409", "430"]),
        ("a[1:, b]", ["2"]),
        ("'a_name'", ["'Xa_name'"]),
        ("'a sentence', ''", ["('a sentence',)", "('',)"]),
        ("f'{a < 1}'", []),
        ("dict[int, str](f(1))", ["2"]),
        ("tuple[int, 'str']", []),
    ],
)
def test_an_expression_has_the_classical_mutants(line, changes):
    source = f"é = ({line})\n"
    found = mutants(source)
    assert sorted(mutant.after for mutant in found) == sorted(changes)
    for mutant in found:
        assert mutant.applied(source) != source
        compile(mutant.applied(source), "mutant", "exec")


def test_a_statement_is_left_out_a_condition_negated_and_a_result_none():
    source = '''
        """A docstring."""
        def f(a: "str" = 1) -> "int":
            """Another."""
            if g(a):
                a += b
                h(a)
                raise
            return a
    '''
    found = [(mutant.lines.start - 1, mutant.before, mutant.after) for mutant in mutants(textwrap.dedent(source))]
    assert found == [
        (2, "1", "2"),
        (4, "g(a)", "(not g(a))"),
        (5, "a += b", "pass"),
        (6, "h(a)", "pass"),
        (7, "raise", "pass"),
        (8, "return a", "return None"),
    ]


def test_a_mutant_says_where_it_is_and_names_the_lines_of_its_statement():
    first, *_ = mutants("a = f(\n    b,\n    1,\n)\n")
    assert (str(first), first.lines) == ("line 1: 1 -> 2", range(1, 5))


RUN = """
import sys, time
from pathlib import Path
from tests.support.forked import Forked
def ended(tree, tests, **options):
    process = Forked(tree, tests, **options)
    while not process.has_ended():
        time.sleep(0.02)
    return process
tree, room = sys.argv[1], Path(sys.argv[1], "pipeline/room.py")
first, source = ended(tree, ["tests"], limit=60, traced="pipeline"), room.read_text()
lines = {int(line): sorted(tests) for line, tests in first.lines["pipeline/room.py"].items()}
print(first.killed, lines, sorted(first.seconds))
for change, limit in (("while ONE: pass", 3), ("raise ValueError", 60), ("ONE = 2", 60), ("ONE += 0", 60)):
    room.write_text(source + change)
    began = time.monotonic()
    print(ended(tree, ["tests/test_room.py::test_one"], limit=limit).killed, time.monotonic() - began < 30)
"""
ROOM = "ONE = 1\ndef double(x):\n    return 2 * x\ndef half(x):\n    return x / 2\n"
TESTS = """
import pytest
from pipeline import room

@pytest.fixture(scope="module")
def four():
    return room.double(2)

def test_one():
    assert room.half(room.ONE) == 0.5

def test_four(four):
    assert four == 4
"""


@pytest.mark.slow
def test_it_is_known_which_tests_run_a_line_and_an_endless_mutant_is_killed(tmp_path):
    for name, text in (("pipeline/room.py", ROOM), ("tests/test_room.py", TESTS), ("pipeline/__init__.py", "")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    one, four = "tests/test_room.py::test_one", "tests/test_room.py::test_four"
    lines = {1: [""], 2: [""], 3: [""], 4: [""], 5: [one]}
    assert done.stdout.splitlines() == [f"False {lines} {[four, one]}", *["True True"] * 3, "False True"], done.stderr
