"""One folder a role."""
