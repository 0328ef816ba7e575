"""A plugin as a stranger writes one: `affine.py` says what is verified, `backend.py` who is."""
