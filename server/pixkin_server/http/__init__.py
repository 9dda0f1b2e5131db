"""The HTTP room: the gRPC services in proto3 JSON, the page, health and metrics. Extra `http`."""
