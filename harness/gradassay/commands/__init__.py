"""The subcommands of `gradassay`: one module, one `command`. A module put into this folder is found.

Importing one imports click alone: each imports what it needs when it runs.
"""
