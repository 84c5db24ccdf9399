"""The model as MLflow loads it ("models from code"): this file and the weights, nothing pickled.

`tracking.Run.model` gives this file to MLflow, which copies it beside the weights and runs it when
the model is loaded.
"""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import torch
from mlflow.pyfunc import PythonModel, PythonModelContext

from fsrcnn import checkpoint


class UpscaleModel(PythonModel):
    """Enlarges luma (Y) in 0..1 by the scale that the weights were trained for, on the CPU."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the artifact "weights", a safetensors file."""
        self.network = checkpoint.load(Path(context.artifacts["weights"]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,
    ) -> np.ndarray:
        """(N, 1, h, w) float32 in 0..1 -> (N, 1, h*scale, w*scale) float32, clamped to 0..1."""
        # MLflow may hand over an array that is read-only or has negative strides.
        with torch.inference_mode():
            return self.network(torch.from_numpy(model_input.copy())).clamp(0, 1).numpy()


mlflow.models.set_model(UpscaleModel())
