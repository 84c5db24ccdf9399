"""Every backend beside the usual ways to run FSRCNN, in one sitting, with the released x4 network.

    python benchmarks/inference.py

The usual ways are PyTorch's own layers ("plain") and the published graph, deconvolution and all, in
ONNX Runtime and OpenVINO. A batch of 8 of 64x64, then one frame of 480x270, which gives 1920x1080.
"""

import argparse
from copy import deepcopy

import numpy as np
import onnx
import onnxruntime
import openvino
import torch
from onnx import helper, numpy_helper

from fsrcnn import load_pretrained
from fsrcnn.evaluation.latency import Call, fast_networks, sgemm_rate, time_calls
from fsrcnn.inference.onnx_graph import INPUT, OUTPUT, to_onnx
from fsrcnn.network.checkpoint import weights_of
from fsrcnn.network.model import FSRCNN, weight_count
from fsrcnn.system import processor_name

SCALE = 4
SHAPES = {"batch": (8, 1, 64, 64), "frame": (1, 1, 270, 480)}
CPU = torch.device("cpu")


def published_graph(network: FSRCNN) -> bytes:
    """Our ONNX model with the deconvolution in place of its sub-pixel form."""
    model = to_onnx(weights_of(network))
    graph = model.graph
    shuffle, subpixel = graph.node.pop(), graph.node.pop()
    assert (shuffle.op_type, subpixel.name) == ("DepthToSpace", "subpixel")
    del graph.initializer[-2:]
    weight, bias = (p.detach().numpy() for p in network.deconvolution.parameters())
    graph.initializer.append(numpy_helper.from_array(weight, "weight"))
    graph.initializer.append(numpy_helper.from_array(bias, "bias"))
    deconvolution = helper.make_node(
        "ConvTranspose",
        [subpixel.input[0], "weight", "bias"],
        [OUTPUT],
        strides=[network.scale] * 2,
        pads=[4] * 4,
        output_padding=[network.scale - 1] * 2,
    )
    graph.node.append(deconvolution)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def usual_networks(network: FSRCNN) -> dict[str, Call]:
    """What people run: the plain network and the published graph, with the settings of `backends`."""
    threads, model = torch.get_num_threads(), published_graph(network)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = core.compile_model(core.read_model(model), "CPU", settings)
    return {
        "plain": network,
        "plain, channels_last": deepcopy(network).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        "onnxruntime, published graph": lambda y: session.run([OUTPUT], {INPUT: y.numpy()}),
        "openvino, published graph": lambda y: compiled(y.numpy()),
    }


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--iterations", type=int, default=200, help="of the batch; a fifth of the frame")
    iterations = parser.parse_args().iterations
    network = load_pretrained(SCALE)
    networks = {**usual_networks(network), **fast_networks(network, CPU)}
    medians: dict[str, dict[str, float]] = {}
    with torch.no_grad():
        for name, shape in SHAPES.items():
            count = iterations if name == "batch" else iterations // 5
            times = time_calls(networks, torch.rand(shape), count // 10, count, CPU)
            medians[name] = {key: float(np.median(seconds)) for key, seconds in times.items()}
    rate = sgemm_rate(CPU)
    floor = 2 * weight_count(network) * int(np.prod(SHAPES["batch"])) / rate
    print(f"{processor_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"sgemm {rate / 1e9:.0f} GFLOP/s: {floor * 1000:.2f} ms for the batch\n")
    print("| | batch, ms | times as fast | share of sgemm rate | frame, ms | frames a second |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, batch in sorted(medians["batch"].items(), key=lambda item: -item[1]):
        frame = medians["frame"][name]
        speedup = medians["batch"]["plain"] / batch
        print(
            f"| {name} | {batch * 1000:.1f} | {speedup:.1f} | {floor / batch:.0%} "
            f"| {frame * 1000:.1f} | {1 / frame:.0f} |"
        )


if __name__ == "__main__":
    main()
