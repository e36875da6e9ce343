import pytest
from torch import nn

from pipeline.core.sync_batch_norm import synchronised

# tests/training/test_train.py tests with real processes that N workers normalise as one would.


def test_without_a_process_group_there_is_nothing_to_synchronise_over():
    with pytest.raises(RuntimeError, match="expected an initialised process group to synchronise"):
        synchronised(nn.Sequential(nn.BatchNorm2d(3)))
