from pipeline.data import columns

ROWS = [("a", "ä"), (None, ""), ("a\0b", None)]


def test_the_rows_come_back_as_they_were():
    assert list(columns.rows(columns.table(["one", "two"], iter(ROWS)))) == ROWS
    assert list(columns.rows(columns.table(["one"], []))) == []


def test_more_rows_than_are_objects_at_a_time_come_back_and_take_the_memory_of_their_letters():
    rows = [(f"{i:010d}", None) for i in range(10_000)]
    table = columns.table(["one", "two"], iter(rows))
    assert list(columns.rows(table)) == rows
    # Ten letters and an offset of 8 bytes; of the second column only an offset; and a bit of each says if it is None.
    assert 260_000 <= table.nbytes < 266_000


def test_few_rows_are_taken_before_they_are_columns():
    class Text(str):
        alive, most = 0, 0

        def __init__(self, _):
            Text.alive += 1
            Text.most = max(Text.most, Text.alive)

        def __del__(self):
            Text.alive -= 1

    columns.table(["one"], ((Text(i),) for i in range(20_000)))
    assert Text.most <= 2 * 4096 + 1  # those that become columns, and those before them, which are dropped next
