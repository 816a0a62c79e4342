"""Facts about a program: scopes, variables, qualified names, reads and writes. Nothing here edits or decides."""
