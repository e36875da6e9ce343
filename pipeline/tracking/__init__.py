"""Recording trainings in MLflow, through an outbox while the tracking store is unreachable."""
