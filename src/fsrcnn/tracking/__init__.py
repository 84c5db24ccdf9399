"""MLflow: runs, models, the registry. Nothing but the stages, the command and serving imports it."""
