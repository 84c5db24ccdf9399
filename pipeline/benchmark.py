"""Stage `benchmark`: latency of the network from scratch on the configured device, with every backend.

python pipeline/benchmark.py
"""

from pathlib import Path

import stage

from fsrcnn import device
from fsrcnn.evaluation.latency import measure
from fsrcnn.files import write_json
from fsrcnn.network import checkpoint
from fsrcnn.tracking import runs


def benchmark() -> None:
    """Write `metrics/benchmark.json`."""
    params = stage.read_params()
    where = device.choose(params.device, params.framework)
    path = Path(f"models/x{params.scale}/scratch.safetensors")
    network = checkpoint.load(path)
    runs.connect(stage.repository_root())
    result = measure(network, params.benchmark, where)
    write_json(Path("metrics/benchmark.json"), result)
    values = {f"latency_ms/{name}": value for name, value in result["latency_ms"].items()}
    for name, backend in result["backends"].items():
        values[f"backends/{name}/latency_ms"] = backend["latency_ms"]["median"]
        for key in ("speedup", "frames_per_second"):
            values[f"backends/{name}/{key}"] = backend[key]
    settled = {key: value for key, value in result.items() if not isinstance(value, dict)}
    conditions = {**settled, **runs.versions()}
    runs.add_to_run(path, values, tags={f"benchmark.{key}": str(value) for key, value in conditions.items()})


if __name__ == "__main__":
    stage.main(benchmark)
