"""Weights in, extractor files out."""
