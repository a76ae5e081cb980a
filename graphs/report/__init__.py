"""A stored run as a page or a picture: nothing is fetched, no script runs, and what a model wrote is never markup."""

from .page import page
from .picture import picture

__all__ = ["page", "picture"]
