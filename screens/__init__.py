"""Textual screens: thin, and without effects."""
