"""Neural networks as ONNX graphs: one module for each architecture."""
