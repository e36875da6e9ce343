"""A champion that is registered again is judged by today's rule on today's evidence."""

from pathlib import Path

from tests.registry.test_register import log, spec
from tests.support import project as tree

assert spec  # a fixture


def test_a_champion_registered_again_is_judged_by_the_rule_in_force(spec, mlflow_store):
    first = tree.registered(spec, hits=3)
    assert (first["verdict"], first["rule"]["min_miou"]) == ("PROMOTE", 0.3)
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("min_miou: 0.3", "min_miou: 0.9"))
    again = tree.registered(spec, hits=3)
    stays = "this very model, test mIoU 0.375000, is champion already: it stays"
    assert again["reasons"] == [f"{stays}, though test mIoU 0.375000 is below register.min_miou 0.9"]
    assert (again["verdict"], again["version"], again["rule"]["min_miou"]) == ("PROMOTE", "1", 0.9)
    assert tree.registered(spec, hits=3) == again
    assert log(mlflow_store, spec) == [("decided", "1", "1", None)] * 2


def test_a_champion_with_new_scores_is_judged_on_these(spec, mlflow_store):
    tree.registered(spec, hits=4)
    again = tree.registered(spec, hits=3)
    assert again["reasons"] == ["this very model, test mIoU 0.375000, is champion already: it stays"]
