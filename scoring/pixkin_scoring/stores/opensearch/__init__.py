"""The store that lives in an OpenSearch cluster."""
