import csv

import pandas as pd
import pytest

from pipeline.files import csv_table
from tests.support import hostile

NAMES = ["road", 'the "old" road', "road, paved", "a\nb", "a\r\nb", "a\rb", ";|\t'", " road ", "=1+1", "+a", "-a", "@a"]


def by_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def by_pandas(path):
    frame = pd.read_csv(path, header=None, dtype=str, keep_default_na=False)
    return frame.to_numpy().tolist()


@pytest.mark.parametrize("reader", [by_csv, by_pandas])
def test_text_comes_back_exactly_from_any_reader(reader, tmp_path):
    rows = [[name, name, f"val/iou/{name}"] for name in NAMES]
    csv_table.write(tmp_path / "t.csv", rows[0], rows[1:])
    assert reader(tmp_path / "t.csv") == rows


def test_rows_come_back_by_the_header(tmp_path):
    csv_table.write(tmp_path / "t.csv", NAMES[:2], [(1, 0.1), (None, float("nan"))])
    first, second = NAMES[:2]
    assert csv_table.read(tmp_path / "t.csv") == [{first: "1", second: "0.1"}, {first: "", second: "nan"}]


def test_lines_end_as_on_unix(tmp_path):
    csv_table.write(tmp_path / "t.csv", ("a", "b"), [("1,2", 3)])
    assert (tmp_path / "t.csv").read_bytes() == b'a,b\n"1,2",3\n'


@pytest.mark.parametrize("name", hostile.KINDS.values(), ids=hostile.KINDS)
def test_of_control_characters_only_line_breaks_are_written(name, tmp_path):
    csv_table.write(tmp_path / "t.csv", (name,), [(name,)])
    text = (tmp_path / "t.csv").read_bytes().decode()
    assert hostile.acting(text) <= {"\n", "\r"}
    assert len(by_csv(tmp_path / "t.csv")) == len(by_pandas(tmp_path / "t.csv")) == 2


@pytest.mark.parametrize("content", [b"a,b\n1\n", b"a\n1,2\n", b'a\n"1\n', b"", b"\xff\n"])
def test_what_is_no_table_is_refused(content, tmp_path):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"argument|unexpected end|unpack|decode"):
        csv_table.read(tmp_path / "t.csv")
