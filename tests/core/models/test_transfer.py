"""A network starts from a trained one whose classes are others, or in another order."""

import pytest
import torch

from pipeline.core.models import MODELS
from pipeline.core.models.transfer import class_dimensions, load_trained

TRAINED, OWN = ("sky", "road", "car"), ("road", "tree", "sky")  # new index 0 is old 1, new 2 is old 0, tree is new


def network(name, classes, seed=0, width=1 / 16):
    torch.manual_seed(seed)
    return MODELS[name](len(classes), width)


def trained(name, classes=TRAINED, width=1 / 16):
    """Return the state dict of a network in which no tensor has its initial values."""
    return {key: value + 1 for key, value in network(name, classes, 1, width).state_dict().items()}


def test_dimensions_that_count_classes_are_found_in_each_layer_that_has_them():
    assert class_dimensions("segnet") == {"classifier.weight": (0,), "classifier.bias": (0,)}
    fcn = class_dimensions("fcn")
    assert fcn["scores.2.weight"] == (0,)
    assert fcn["upsampling.0.weight"] == (0, 1)  # from each class to each
    assert len(fcn) == 3 * 2 + 3


def test_finding_them_draws_no_random_numbers():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    class_dimensions("segnet")
    assert torch.equal(torch.get_rng_state(), before)


def test_what_belongs_to_a_class_follows_its_name():
    model, tensors = network("segnet", OWN), trained("segnet")
    tensors["classifier.bias"] = torch.tensor([10.0, 20.0, 30.0])
    initial = model.state_dict()["classifier.weight"].clone()
    load_trained(model, "segnet", tensors, classes=OWN, trained_classes=TRAINED)
    state = model.state_dict()
    assert state["classifier.bias"].tolist() == [20, 0, 10]
    assert torch.equal(state["classifier.weight"][0], tensors["classifier.weight"][1])
    assert torch.equal(state["classifier.weight"][1], initial[1])
    assert torch.equal(state["classifier.weight"][2], tensors["classifier.weight"][0])
    others = [key for key in state if not key.startswith("classifier")]
    assert all(torch.equal(state[key], tensors[key]) for key in others)
    assert {key.rpartition(".")[2] for key in others} >= {"running_mean", "running_var", "num_batches_tracked"}


def test_weights_between_two_classes_follow_both_names():
    model, tensors = network("fcn", OWN), trained("fcn")
    pairs = torch.arange(9.0).view(3, 3)  # sky, road, car to sky, road, car
    tensors["upsampling.0.weight"] = pairs[:, :, None, None].expand(3, 3, 4, 4).clone()
    initial = model.state_dict()["upsampling.0.weight"][:, :, 1, 1].clone()
    load_trained(model, "fcn", tensors, classes=OWN, trained_classes=TRAINED)
    found = model.state_dict()["upsampling.0.weight"][:, :, 1, 1]
    assert found[0].tolist() == [4, initial[0, 1], 3]  # road to road, tree, sky
    assert found[1].tolist() == initial[1].tolist()
    assert found[2].tolist() == [1, initial[2, 1], 0]


@pytest.mark.parametrize("classes", [("road", "lamp", "tree", "sky"), ("sky", "road"), ("lamp", "tree")])
def test_there_may_be_more_or_fewer_classes_or_none_in_common(classes):
    model, tensors = network("segnet", classes), trained("segnet")
    tensors["classifier.bias"] = torch.tensor([10.0, 20.0, 30.0])
    load_trained(model, "segnet", tensors, classes=classes, trained_classes=TRAINED)
    known = {"sky": 10, "road": 20}
    assert model.state_dict()["classifier.bias"].tolist() == [known.get(name, 0) for name in classes]
    assert torch.equal(model.state_dict()["encoder.0.0.0.weight"], tensors["encoder.0.0.0.weight"])


@pytest.mark.parametrize("name", MODELS)
def test_a_network_with_the_same_classes_becomes_the_trained_one(name):
    model, tensors = network(name, TRAINED), trained(name)
    load_trained(model, name, tensors, classes=TRAINED, trained_classes=TRAINED)
    assert all(torch.equal(value, tensors[key]) for key, value in model.state_dict().items())


def test_a_bayesian_segnet_starts_from_a_segnet_whose_layers_it_has():
    model, tensors = network("bayesian_segnet", TRAINED), trained("segnet")
    load_trained(model, "bayesian_segnet", tensors, classes=TRAINED, trained_classes=TRAINED)
    assert all(torch.equal(value, tensors[key]) for key, value in model.state_dict().items())


def without(name):
    return {key: value for key, value in trained("segnet").items() if key != name}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (trained("segnet", width=1 / 8), r"encoder\.0\.0\.0\.weight: expected .* \(4, 3, 3, 3\), got \(8, 3, 3, 3\)"),
        (trained("segnet_basic"), r"encoder\.0\.0\.0\.weight: expected a tensor of shape \(4, 3, 3, 3\), got none"),
        (without("classifier.bias"), r"classifier\.bias: expected a tensor of shape \(3,\), got none"),
        (trained("segnet", OWN[:2]), r"classifier\.weight: expected a tensor of shape \(3, 4, 3, 3\), got \(2, 4, 3"),
        (trained("segnet") | {"more": torch.ones(1)}, r"expected the 177 tensors of segnet, got more besides"),
    ],
    ids=["another width", "another network", "one missing", "not its classes", "one too many"],
)
def test_other_tensors_are_refused_and_change_nothing(tensors, message):
    model = network("segnet", OWN)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        load_trained(model, "segnet", tensors, classes=OWN, trained_classes=TRAINED)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
