"""Models behind the `ChatModel` port: one kind per file."""
