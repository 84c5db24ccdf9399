"""MLflow: runs, models, the registry.

Imports upscaling, to make a model of it, and network. Only the stages, the command and serving import it,
so that everything else works without MLflow.
"""
