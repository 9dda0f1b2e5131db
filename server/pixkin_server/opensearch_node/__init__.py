"""A real OpenSearch without Docker, for trying and testing: its versions, their jars, and a node."""
