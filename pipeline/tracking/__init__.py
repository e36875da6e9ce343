"""MLflow: `runs` records what a training did, `registry` keeps model versions. Nothing else imports mlflow."""
