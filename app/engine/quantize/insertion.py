"""Grids and quantized layers -> a QDQ model.

    value x with a grid      producer -> x -> QuantizeLinear -> x_q -> DequantizeLinear -> x_dq -> every consumer
    the same, seen outside   producer -> x_raw -> QuantizeLinear -> x_q -> DequantizeLinear -> x
    weight of a placed layer int8 constant -> DequantizeLinear -> layer
    bias                     int32 constant -> DequantizeLinear(scale s_x s_w) -> layer
    1x1 Conv without a grid  Gemm over its pixels, with float output (pointwise.py)
    ConvTranspose            1x1 Conv, then pixels from channels (upsampling.py)

Every consumer reads x_dq, a float one too: one that read x itself would force the producer into float (placement.md §1, "one
tensor, several consumers"); so do graph outputs and subgraphs. Relu and Clip that only cut what the grid cuts anyway are
dropped; operators without an integer kernel are composed of others (compositions.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import onnx

from app.engine.graph.names import Names
from app.engine.numerics.affine import QParams
from app.engine.quantize.compositions import Operands, compose
from app.engine.quantize.pointwise import is_pointwise, write_pointwise
from app.engine.quantize.qdq_writer import QdqWriter
from app.engine.quantize.support import GraphFacts, read_by_subgraphs
from app.engine.quantize.tensors import TensorPlan
from app.engine.quantize.upsampling import write_upsampling
from app.engine.quantize.weights import QuantizedLayer


def insert_qdq(
    model: onnx.ModelProto,
    plan: TensorPlan,
    grids: Mapping[str, QParams],
    layers: Mapping[str, QuantizedLayer],
    placed: Collection[str],
) -> onnx.ModelProto:
    """A new model.

    Args:
        grids: Value name -> grid, per tensor.
        layers: Node name -> its constants as integers.
        placed: Names of the nodes that become INT8.
    """
    return _Insertion(model, plan, grids, layers, frozenset(placed)).build()


class _Insertion:
    def __init__(
        self,
        model: onnx.ModelProto,
        plan: TensorPlan,
        grids: Mapping[str, QParams],
        layers: Mapping[str, QuantizedLayer],
        placed: frozenset[str],
    ) -> None:
        self._model, self._plan, self._grids, self._layers, self._placed = model, plan, grids, layers, placed
        self._facts = GraphFacts(model)
        self._renamed = {node.input[0]: node.output[0] for node in model.graph.node if node.name in plan.folded}
        self._writer = QdqWriter(Names(model.graph))

    def build(self) -> onnx.ModelProto:
        graph = self._model.graph
        for value in graph.input:
            self._quantize(value.name)
        for node in graph.node:
            if node.name not in self._plan.folded:
                self._write(node)
        return self._assembled()

    def _write(self, node: onnx.NodeProto) -> None:
        outputs = [_last(self._renamed, name) for name in node.output]
        rewritten = onnx.NodeProto()
        rewritten.CopyFrom(node)
        rewritten.input[:] = [self._read(name) for name in node.input]
        rewritten.output[:] = [self._raw(name) for name in outputs]
        quantizer = None
        if node.name in self._layers:
            self._write_layer(node, rewritten, self._layers[node.name])
        else:
            quantizer = self._write_other(node, rewritten)
        for name in outputs:
            self._quantize(name, quantizer)

    def _write_layer(self, node: onnx.NodeProto, rewritten: onnx.NodeProto, layer: QuantizedLayer) -> None:
        grid = self._grids.get(node.input[0])
        if grid is not None and rewritten.output[0] not in self._grids and is_pointwise(node, self._facts):
            write_pointwise(node, layer, rewritten.input[0], grid, self._facts, self._writer)
            return
        target = self._grids.get(_last(self._renamed, node.output[0]))
        if node.op_type == "ConvTranspose" and target is not None:
            write_upsampling(node, layer, rewritten.input[0], target, rewritten.output[0], self._facts, self._writer)
            return
        self._replace_constants(rewritten, layer)
        self._writer.nodes.append(rewritten)

    def _write_other(self, node: onnx.NodeProto, rewritten: onnx.NodeProto) -> QParams | None:
        """The grid that the output must be quantized with, when it is not that of the value."""
        composed, quantizer = False, None
        if node.name in self._placed:
            target = self._grids.get(_last(self._renamed, node.output[0]))

            def rounded(value: str) -> str | None:
                return self._read(value) if value in self._grids and self._grids[value] == target else None

            source = self._grids.get(node.input[0])
            operands = Operands(list(rewritten.input), rewritten.output[0], source, target, rounded, self._facts)
            composed, quantizer = compose(node, operands, self._writer)
        if not composed:
            self._writer.nodes.append(rewritten)
        return quantizer

    def _quantize(self, value: str, quantizer: QParams | None = None) -> None:
        if value in self._grids:
            grid = self._grids[value]
            reader = grid if quantizer is not None else None
            self._writer.round_trip(self._raw(value), quantizer or grid, value, reader, self._read(value))

    def _read(self, value: str) -> str:
        return self._writer.fresh(f"{value}_dq") if value in self._grids and value not in self._plan.exposed else value

    def _raw(self, value: str) -> str:
        return self._writer.fresh(f"{value}_raw") if value in self._grids and value in self._plan.exposed else value

    def _replace_constants(self, node: onnx.NodeProto, layer: QuantizedLayer) -> None:
        axis = layer.axis if layer.weight_scale.ndim else None
        node.input[1] = self._writer.weight(node.name, layer.weight_q, layer.weight_scale, axis)
        if layer.bias_q is None or layer.bias_scale is None:
            return
        bias = self._writer.bias(node.name, layer.bias_q, layer.bias_scale)
        if len(node.input) > 2:
            node.input[2] = bias
        else:
            node.input.append(bias)
        for attribute in node.attribute:
            if attribute.name == "beta":  # its factor is in the bias already
                attribute.f = 1.0

    def _assembled(self) -> onnx.ModelProto:
        """The model with the new nodes and only the constants they still read."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        graph = model.graph
        read = {value.name for value in graph.output}
        nodes: list[onnx.NodeProto] = []
        for node in reversed(self._writer.nodes):  # what a composition has replaced is read by nobody
            if any(name in read for name in node.output):
                nodes.append(node)
                read.update(node.input)
                read |= read_by_subgraphs([node])
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(reversed(nodes))
        constants = [*self._model.graph.initializer, *self._writer.constants.values()]
        graph.initializer.extend(tensor for tensor in constants if tensor.name in read)
        return model


def _last(renamed: Mapping[str, str], name: str) -> str:
    while name in renamed:
        name = renamed[name]
    return name
