from pipeline.tracking import store


def test_an_experiment_is_of_the_kind_that_mlflow_calls_machine_learning(mlflow_store):
    client, kind = store.client(mlflow_store), "mlflow.experimentKind"
    number = store.experiment_id(mlflow_store, "of-this-program")
    assert client.get_experiment(number).tags[kind] == "custom_model_development"
    earlier = client.create_experiment("of-an-earlier-one")
    assert store.experiment_id(mlflow_store, "of-an-earlier-one") == earlier
    assert client.get_experiment(earlier).tags[kind] == "custom_model_development"
    client.set_experiment_tag(earlier, kind, "chosen by hand")
    store.experiment_id(mlflow_store, "of-an-earlier-one")
    assert client.get_experiment(earlier).tags[kind] == "chosen by hand"
