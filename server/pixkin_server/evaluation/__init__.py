"""Evaluation against a service: where queries come from, how they are searched, and what is written about it."""
