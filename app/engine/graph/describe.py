"""What the user is shown of a model, from its graph alone."""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal

import onnx

from app.engine.graph import walk
from app.engine.graph.description import Dimension, ModelDescription, Notice, TensorInfo
from app.engine.graph.index import model_inputs
from app.engine.graph.multiply_adds import known_shapes, node_multiply_adds
from app.engine.graph.safety import opset_of
from app.errors import WorkbenchError

QUANTIZED_OPERATORS = frozenset(
    {
        "QuantizeLinear",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "QLinearConv",
        "QLinearMatMul",
        "ConvInteger",
        "MatMulInteger",
    }
)
IMAGE_DTYPES = ("float32", "float16", "uint8")
PER_CHANNEL_OPSET = 13
LONGEST_TEXT = 200


def describe(model: onnx.ModelProto) -> ModelDescription:
    """Of a safe model. Shapes of inner values come from `onnx.shape_inference`, so only in a child.

    Raises:
        WorkbenchError: `model.several_inputs`, `model.no_image_input`.
    """
    inputs = tuple(_tensor_info(value) for value in model_inputs(model.graph))
    image = _image_input(inputs)
    layout, channels, height, width = _axes(image)
    opset, precision = opset_of(model), _precision(model)
    batch = image.shape[0] if isinstance(image.shape[0], int) else None
    outputs = tuple(_tensor_info(value) for value in model.graph.output)
    return ModelDescription(
        inputs=inputs,
        outputs=outputs,
        opset=opset,
        ir_version=model.ir_version,
        producer=_plain(f"{model.producer_name} {model.producer_version}".strip()),
        parameters=sum(math.prod(tensor.dims) for tensor in model.graph.initializer),
        multiply_adds=_multiply_adds(model),
        size_bytes=model.ByteSize(),
        weight_bytes=sum(len(tensor.raw_data) or tensor.ByteSize() for tensor in model.graph.initializer),
        operators=dict(Counter(_plain(node.op_type) for node in walk.nodes(model)).most_common()),
        precision=precision,
        batch=batch,
        layout=layout,
        channels=channels,
        height=height,
        width=width,
        classes=_classes(outputs),
        notices=_notices(opset, precision, image, height, width),
    )


def _tensor_info(value: onnx.ValueInfoProto) -> TensorInfo:
    kind = value.type.tensor_type
    try:
        dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    except (KeyError, ValueError):
        dtype = "unknown"
    shape: tuple[Dimension, ...] = tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else _plain(dim.dim_param) or None
        for dim in kind.shape.dim
    )
    return TensorInfo(_plain(value.name), dtype, shape)


def _image_input(inputs: tuple[TensorInfo, ...]) -> TensorInfo:
    if not inputs:
        raise WorkbenchError(
            "model.no_image_input",
            "The model has no input, so no image can be fed.",
            hint="This version takes image classifiers.",
        )
    if len(inputs) != 1:
        names = ", ".join(entry.name for entry in inputs[:8])
        raise WorkbenchError(
            "model.several_inputs",
            f"The model has {len(inputs)} inputs ({names}); this version takes models with exactly one image input.",
            hint="Export the network with the image as its only input.",
        )
    (image,) = inputs
    if len(image.shape) != 4:
        raise WorkbenchError(
            "model.no_image_input",
            f"An image input has 4 axes (batch, channels, height, width), but this one has {len(image.shape)}: {image.shape}.",
            where=image.name,
            hint="This version takes image classifiers.",
        )
    if image.dtype not in IMAGE_DTYPES:
        raise WorkbenchError(
            "model.no_image_input",
            f"An image input is {', '.join(IMAGE_DTYPES[:-1])} or {IMAGE_DTYPES[-1]}, but this one is {image.dtype}.",
            where=image.name,
            hint="Export the network with a float32 input.",
        )
    return image


def _axes(image: TensorInfo) -> tuple[Literal["NCHW", "NHWC"] | None, int | None, int | None, int | None]:
    """Layout, channels, height, width, as far as the shape tells: images have 1 or 3 channels."""
    sizes = [size if isinstance(size, int) else None for size in image.shape]
    if sizes[1] in {1, 3}:
        return "NCHW", sizes[1], sizes[2], sizes[3]
    if sizes[3] in {1, 3}:
        return "NHWC", sizes[3], sizes[1], sizes[2]
    return None, None, None, None


def _precision(model: onnx.ModelProto) -> Literal["float32", "float16", "int8", "mixed"]:
    if any(node.op_type in QUANTIZED_OPERATORS for node in walk.nodes(model)):
        return "int8"
    kinds = {tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) > 1}
    half = onnx.TensorProto.FLOAT16 in kinds or onnx.TensorProto.BFLOAT16 in kinds
    if half:
        return "mixed" if onnx.TensorProto.FLOAT in kinds else "float16"
    return "float32"


def _classes(outputs: tuple[TensorInfo, ...]) -> int | None:
    """Of the first output that looks like scores: axes of length 1 dropped, (batch, classes) remains."""
    for output in outputs:
        sizes = [size for size in output.shape[1:] if size != 1]
        if len(sizes) == 1 and isinstance(sizes[0], int):
            return sizes[0]
    return None


def _multiply_adds(model: onnx.ModelProto) -> int | None:
    """Per sample; a free batch is taken as 1, so that shapes computed from it are known, too."""
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    first = model_inputs(fixed.graph)[0].type.tensor_type.shape.dim[0]
    if not first.dim_value > 0:
        first.dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(fixed, data_prop=True)
    shapes = known_shapes(inferred)
    counts = [node_multiply_adds(node, shapes) for node in inferred.graph.node]
    return None if any(count is None for count in counts) else sum(count or 0 for count in counts) // first.dim_value


def _notices(opset: int, precision: str, image: TensorInfo, height: int | None, width: int | None) -> tuple[Notice, ...]:
    notices = []
    if opset < PER_CHANNEL_OPSET:
        notices.append(
            Notice(
                "model.opset_old", f"Opset {opset} has no INT8 per channel; a copy is converted to opset 13 before quantizing."
            )
        )
    if precision in {"float16", "mixed"}:
        notices.append(
            Notice(
                "model.float16",
                "The weights are 16-bit floats: the model can be measured and compared, but not quantized.",
                "To quantize, upload the FP32 export.",
            )
        )
    if precision == "int8":
        notices.append(
            Notice(
                "model.quantized",
                "The model is quantized already: it can be measured and compared, but not quantized again.",
                "To quantize, upload its FP32 original.",
            )
        )
    if isinstance(image.shape[0], int) and image.shape[0] > 0:
        size = image.shape[0]
        notices.append(Notice("model.batch_fixed", f"The batch is fixed at {size}, so only batch {size} is measured."))
    if not any(size in {1, 3} for size in (image.shape[1], image.shape[3])) and isinstance(image.shape[1], int):
        notices.append(
            Notice(
                "model.channels",
                f"The input has {image.shape[1]} channels; images have 1 or 3, so accuracy cannot be measured.",
            )
        )
    elif height is None or width is None:
        notices.append(Notice("model.size_dynamic", "Height and width are free: you will be asked for them in the project."))
    return tuple(notices)


def _plain(text: str) -> str:
    """Text from a file as it may be stored and shown: no NUL, no control characters, not too long."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)[:LONGEST_TEXT]
