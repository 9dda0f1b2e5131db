"""Image bytes in, vectors out: the extractor file, hardened decoding, preprocessing, encoding."""
