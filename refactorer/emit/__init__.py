"""Building the new tree: edits by identity, the module class, and the changed file around it."""
