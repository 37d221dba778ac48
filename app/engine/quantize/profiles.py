"""What the runtime that will run the file computes with integers, measured (placement.md §1, §9): one profile per runtime.

The roles are explained in placement.py.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    runtime: str
    weighted: frozenset[str]
    elementwise: frozenset[str]
    carrying: frozenset[str]
    folded: frozenset[str]
    float_output: frozenset[str]
    """Layers whose integer kernels give float output for free."""

    @property
    def known(self) -> frozenset[str]:
        return self.weighted | self.elementwise | self.carrying | self.folded


ONNXRUNTIME = Profile(
    runtime="onnxruntime",
    weighted=frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"}),
    elementwise=frozenset(
        {"Add", "Concat", "Div", "GlobalAveragePool", "HardSigmoid", "HardSwish", "LeakyRelu", "Mul", "Sigmoid", "Sub"}
    ),
    carrying=frozenset(
        {"DepthToSpace", "Expand", "Flatten", "Gather", "MaxPool", "Reshape", "Resize", "Slice", "Split", "Squeeze"}
        | {"Tile", "Transpose", "Unsqueeze"}
    ),
    folded=frozenset({"Clip", "Relu"}),
    float_output=frozenset({"Gemm", "MatMul"}),
)
PROFILES = {ONNXRUNTIME.runtime: ONNXRUNTIME}
