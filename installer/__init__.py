"""Rackstrap: from a rack of blank servers to a verified cloud, from one terminal."""

__version__ = "0.1.0"
