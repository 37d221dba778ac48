"""INT8 Workbench: makes trained ONNX networks fast on ordinary CPUs without losing their accuracy."""

__version__ = "0.1.0"
