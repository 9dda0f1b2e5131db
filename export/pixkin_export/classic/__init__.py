"""Descriptors computed by a formula, without learnt weights, as ONNX graphs."""
