"""Small real networks for tests, made with onnx.helper from a seed; nothing here is trained for more than milliseconds.

`tiny_classifier` is *right*: its last layer is fitted to the colours of `tests.support.palette`, so on the images of
`tests.support.archive_builder.tiny_dataset` it reaches (nearly) 100 % with RGB pixels divided by 255 (preprocessing "unit"),
and clearly less with swapped channels. Node names are stable: conv1, relu1, pool, conv2, relu2, conv3, add, relu3, gap,
flatten, fc. Input `image`, output `scores` (logits).
"""

from __future__ import annotations

import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from tests.support.palette import class_image

FEATURE_SIDE = 32
"""Images are stretched to this side to fit the last layer."""


def tiny_classifier(
    *,
    classes: int = 10,
    width: int = 8,
    batch: int | None = None,
    height: int | None = 32,
    image_width: int | None = 32,
    opset: int = 17,
    ir_version: int = 8,
    float16: bool = False,
    initializers_as_inputs: bool = False,
    softmax: bool = False,
    seed: int = 0,
) -> ModelProto:
    """A residual network (N,3,32,32) -> (N,classes) of 1,482 weights at the default width.

    Args:
        width: Channels of the three convolutions; 64 makes a model that is worth quantizing.
        batch: Fixed first dimension, or None for the dynamic "batch".
        height: None makes the height dynamic; likewise `image_width`.
        initializers_as_inputs: Lists the weights as graph inputs, as files before IR 4 do.
        softmax: Ends in probabilities in place of logits.
    """
    weights = _weights(classes, width, seed)
    nodes = _nodes(softmax=softmax)
    kind = TensorProto.FLOAT16 if float16 else TensorProto.FLOAT
    dtype = np.float16 if float16 else np.float32
    shape = [batch or "batch", 3, height or "height", image_width or "width"]
    inputs = [helper.make_tensor_value_info("image", kind, shape)]
    if initializers_as_inputs:
        inputs += [helper.make_tensor_value_info(name, kind, value.shape) for name, value in weights.items()]
    outputs = [helper.make_tensor_value_info("scores", kind, [batch or "batch", classes])]
    initializers = [numpy_helper.from_array(value.astype(dtype), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "tiny-classifier", inputs, outputs, initializers)
    return _model(graph, opset, ir_version)


def two_input_classifier() -> ModelProto:
    """`tiny_classifier` with a second input `bias` (N,10) added to the scores."""
    model = tiny_classifier()
    model.graph.node[-1].output[0] = "unbiased"
    model.graph.node.append(helper.make_node("Add", ["unbiased", "bias"], ["scores"], name="bias_add"))
    model.graph.input.append(helper.make_tensor_value_info("bias", TensorProto.FLOAT, ["batch", 10]))
    return model


def custom_op_classifier(domain: str = "com.example", op_type: str = "Twirl") -> ModelProto:
    """`tiny_classifier` whose scores go through an operator that no runtime knows."""
    model = tiny_classifier()
    model.graph.node[-1].output[0] = "untwirled"
    model.graph.node.append(helper.make_node(op_type, ["untwirled"], ["scores"], name="twirl", domain=domain))
    model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


def qdq_classifier() -> ModelProto:
    """`tiny_classifier` that is already INT8: QuantizeLinear/DequantizeLinear on the first convolution's input and weight."""
    model = tiny_classifier()
    conv, graph = model.graph.node[0], model.graph
    weight = numpy_helper.to_array(next(value for value in graph.initializer if value.name == conv.input[1]))
    scale = float(np.abs(weight).max() / 127)
    quantized = np.clip(np.rint(weight / scale), -127, 127).astype(np.int8)
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.float32(1 / 255), "image_scale"),
            numpy_helper.from_array(np.uint8(0), "image_zero_point"),
            numpy_helper.from_array(np.float32(scale), "weight_scale"),
            numpy_helper.from_array(np.int8(0), "weight_zero_point"),
            numpy_helper.from_array(quantized, "weight_quantized"),
        ]
    )
    image, image_int = ["image_scale", "image_zero_point"], ["image", "image_scale", "image_zero_point"]
    added = [
        helper.make_node("QuantizeLinear", image_int, ["image_q"], name="image_quantize"),
        helper.make_node("DequantizeLinear", ["image_q", *image], ["image_dq"], name="image_dequantize"),
        helper.make_node(
            "DequantizeLinear",
            ["weight_quantized", "weight_scale", "weight_zero_point"],
            ["weight_dq"],
            name="weight_dequantize",
        ),
    ]
    conv.input[0], conv.input[1] = "image_dq", "weight_dq"
    graph.initializer.remove(next(value for value in graph.initializer if value.name == "conv1_weight"))
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*added, *rest])
    return model


def save(model: ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def save_with_external_data(model: ModelProto, folder: Path, *, name: str = "model.onnx", data: str = "model.data") -> Path:
    """Writes `folder/name` and its weights in `folder/data`; gives the path of the model. `model` stays as it was."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    path = folder / name
    onnx.save_model(copy, str(path), save_as_external_data=True, all_tensors_to_one_file=True, location=data, size_threshold=0)
    return path


def zip_folder(folder: Path, archive: Path) -> Path:
    """All files below `folder` in a zip, sorted by name."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            out.write(path, str(path.relative_to(folder)))
    return archive


def _nodes(*, softmax: bool = False) -> list[NodeProto]:
    def node(op: str, name: str, inputs: list[str], output: str = "", **attributes: object) -> NodeProto:
        return helper.make_node(op, inputs, [output or f"{name}_out"], name=name, **attributes)

    same = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        node("Conv", "conv1", ["image", "conv1_weight", "conv1_bias"], **same),
        node("Relu", "relu1", ["conv1_out"]),
        node("MaxPool", "pool", ["relu1_out"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", "conv2", ["pool_out", "conv2_weight", "conv2_bias"], **same),
        node("Relu", "relu2", ["conv2_out"]),
        node("Conv", "conv3", ["relu2_out", "conv3_weight", "conv3_bias"], **same),
        node("Add", "add", ["pool_out", "conv3_out"]),
        node("Relu", "relu3", ["add_out"]),
        node("GlobalAveragePool", "gap", ["relu3_out"]),
        node("Flatten", "flatten", ["gap_out"], axis=1),
        node("Gemm", "fc", ["flatten_out", "fc_weight", "fc_bias"], "logits" if softmax else "scores", transB=1),
    ]
    if softmax:
        nodes.append(node("Softmax", "softmax", ["logits"], "scores", axis=1))
    return nodes


def _model(graph: onnx.GraphProto, opset: int, ir_version: int) -> ModelProto:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="int8-workbench tests")
    model.ir_version = ir_version
    return model


@cache
def _weights(classes: int, width: int, seed: int) -> dict[str, np.ndarray]:
    """float32 weights by name: He-initialised convolutions and a last layer fitted by ridge regression."""
    rng = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}
    for name, channels in (("conv1", 3), ("conv2", width), ("conv3", width)):
        spread = np.sqrt(2 / (channels * 9))
        weights[f"{name}_weight"] = rng.normal(0, spread, (width, channels, 3, 3)).astype(np.float32)
        weights[f"{name}_bias"] = rng.normal(0, 0.1, width).astype(np.float32)
    weights["fc_weight"], weights["fc_bias"] = _fitted_layer(weights, classes, width)
    return weights


def _fitted_layer(convolutions: dict[str, np.ndarray], classes: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Weight (classes, width) and bias (classes,) float32 that turn pooled features into one-hot scores."""
    labels = np.repeat(np.arange(classes), 12)
    side = (FEATURE_SIDE, FEATURE_SIDE)
    images = [class_image(int(label), classes, seed=10_000 + n).resize(side) for n, label in enumerate(labels)]
    x = np.stack([np.asarray(image, np.float32) for image in images]).transpose(0, 3, 1, 2) / 255
    features = _features(convolutions, x, width)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    design = np.c_[(features - mean) / spread, np.ones(len(features))]
    target = np.eye(classes)[labels] * 10
    solved = np.linalg.solve(design.T @ design + 1e-3 * np.eye(width + 1), design.T @ target)
    weight = (solved[:-1] / spread[:, None]).T
    bias = solved[-1] - weight @ mean
    return weight.astype(np.float32), bias.astype(np.float32)


def _features(convolutions: dict[str, np.ndarray], x: np.ndarray, width: int) -> np.ndarray:
    """(N, width) float64: what `flatten` gives for these inputs, from onnxruntime."""
    import onnxruntime as ort

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, *x.shape[2:]])
    output = helper.make_tensor_value_info("flatten_out", TensorProto.FLOAT, ["batch", width])
    initializers = [numpy_helper.from_array(value, name) for name, value in convolutions.items()]
    graph = helper.make_graph(_nodes()[:-1], "features", [image], [output], initializers)
    session = ort.InferenceSession(_model(graph, 17, 8).SerializeToString(), providers=["CPUExecutionProvider"])
    features: np.ndarray = session.run(None, {"image": x})[0]
    return features.astype(np.float64)
