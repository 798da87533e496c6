"""Keeping an admin node: its whole state in one encrypted file and back, and a bundle for whoever helps."""
