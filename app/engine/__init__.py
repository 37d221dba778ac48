"""The engine: numpy, onnx, pillow and the runtimes. No web, no database, no clock or RNG of its own."""
