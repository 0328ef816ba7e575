"""Views of a run: each makes something to read of the same records, and computes no verdict of its own."""
