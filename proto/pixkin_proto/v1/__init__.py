"""The v1 messages and services, generated from the .proto files in this folder."""
