"""params.yaml with values of the command line."""

import pytest

from pipeline import params
from pipeline.cli import overridden
from tests.support import SCENES


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_values_replace_those_of_the_file_which_stays(here):
    text = SCENES.read_bytes()
    (here / "params.yaml").write_bytes(text)
    assert overridden.read(()) == (params.load(), text)
    own, changed = overridden.read(["train.epochs=77"])
    assert own.train.epochs == 77
    assert b"epochs: 77" in changed
    assert (here / "params.yaml").read_bytes() == text


def test_a_value_that_the_params_refuse_is_told_as_one_of_the_command_line(here):
    (here / "params.yaml").write_bytes(SCENES.read_bytes())
    expected = r"^params\.yaml with -S train\.epochs=0 is invalid:\n  train\.epochs: expected .*, got 0; "
    with pytest.raises(params.ParamsError, match=expected):
        overridden.read(["train.epochs=0"])


@pytest.mark.parametrize("text", ["dataset: [\n", "train: {}\ntrain: {}\n", "", "- 1\n", "epochs\n", None])
def test_a_file_that_holds_no_params_is_refused_in_the_same_words(here, text):
    (here / "params.yaml").mkdir() if text is None else (here / "params.yaml").write_text(text)
    refused = []
    for wanted in ((), ("train.epochs=7",)):
        with pytest.raises(params.ParamsError, match=r"^params\.yaml") as err:
            overridden.read(wanted)
        refused.append(str(err.value))
    assert refused[0] == refused[1]


@pytest.mark.parametrize("wanted", [(), ("train.epochs=7",)])
def test_where_there_is_no_file_it_says_where_to_go(here, wanted):
    with pytest.raises(params.ParamsError, match=r"No such file.*; change to the repository's folder, or write one"):
        overridden.read(wanted)
