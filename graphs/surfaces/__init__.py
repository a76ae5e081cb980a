"""ponder where a user has something else already: a tool, a chat model, a middleware, an endpoint."""
