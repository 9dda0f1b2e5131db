"""Vectors in, ranked items out: measures, kernels, plans, stores and evaluation."""
