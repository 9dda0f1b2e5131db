"""Messages to pixkin's own types and back: the one place that knows both, by .proto file."""
