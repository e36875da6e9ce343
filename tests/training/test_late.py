import torch

from pipeline.training import late
from pipeline.training.late import Late
from tests.support.tiny_training import CPU


def test_a_cpus_values_are_copied_at_once():
    values, reader = torch.tensor([1.0]), Late(CPU)
    seen = reader.read(values)
    values += 1
    assert seen.tolist() == [1]
    assert reader.read(values).tolist() == [2]


def test_a_gpus_values_are_read_one_call_later_and_only_then_waited_for(monkeypatch):
    waited = []

    class Event:
        """An event of a GPU."""

        def record(self):
            self.number = len(waited)

        def synchronize(self):
            waited.append(self.number)

    monkeypatch.setattr(late.torch.cuda, "Event", Event)
    reader = Late(torch.device("cuda"))
    assert reader.read(torch.tensor([1.0])) is None
    assert waited == []
    assert reader.read(torch.tensor([2.0])).tolist() == [1]
    assert reader.read(torch.tensor([3.0])).tolist() == [2]
    assert len(waited) == 2
