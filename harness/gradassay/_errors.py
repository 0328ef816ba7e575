"""Errors that a user can mend: their message says what is wrong and what would be right."""

from __future__ import annotations


class UsageError(Exception):
    """Something that was asked for does not exist or cannot be: the command prints the message and exits with 2."""
