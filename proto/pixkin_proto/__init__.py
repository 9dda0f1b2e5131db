"""The words that every room shares: messages, errors, name rules, descriptors."""
