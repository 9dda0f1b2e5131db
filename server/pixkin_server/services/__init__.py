"""The three services: each method translates, calls the engine, translates back."""
