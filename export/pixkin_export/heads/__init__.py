"""Ways to make a descriptor of the layers of a network or of pixels."""
