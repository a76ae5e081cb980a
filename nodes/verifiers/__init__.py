"""Verifiers behind the `Verifier` port: one kind per file."""
