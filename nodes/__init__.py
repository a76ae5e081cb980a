"""What one step of a run does, and what it needs from outside."""
