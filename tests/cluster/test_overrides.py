import pytest
from ruamel.yaml import YAML

from pipeline.cluster.failures import JobError
from pipeline.cluster.overrides import overridden

PARAMS = """\
# Every value.
train:
  epochs: 20  # passes
  learning_rate: 2e-3
  zoom: [1.0, 1.0]
  loss: 'cross_entropy'
model:
  vgg16: null
"""


def test_values_are_replaced_and_the_rest_of_params_stays_to_the_byte():
    text = overridden(PARAMS.encode(), ["train.epochs=30", "train.zoom=[0.5, 2]", "model.vgg16=a b"])
    expected = PARAMS.replace("epochs: 20", "epochs: 30").replace("[1.0, 1.0]", "[0.5, 2]").replace("null", "a b")
    assert text.decode() == expected
    changed = overridden(PARAMS.encode(), ["train.learning_rate=1e-3"])
    assert YAML(typ="safe", pure=True).load(changed)["train"]["learning_rate"] == 0.001


@pytest.mark.parametrize(
    "override", ["train.epoch=3", "train.epochs", "epochs=3", "train.epochs.x=3", "nothing.epochs=3"]
)
def test_an_override_of_no_key_is_refused(override):
    with pytest.raises(JobError, match=rf"-S: expected section.key=value with a key of params.yaml, got '{override}'"):
        overridden(PARAMS.encode(), [override])


def test_an_override_that_is_no_yaml_is_refused():
    with pytest.raises(JobError, match=r"-S: expected a value in YAML, got 'train.zoom=\[1'; put it in quotes"):
        overridden(PARAMS.encode(), ["train.zoom=[1"])
