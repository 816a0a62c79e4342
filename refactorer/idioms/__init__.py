"""Nicer forms of the literal outline, each applied only when its conditions are proven.

An idiom first looks (read-only) and gives the reason when a condition fails; only then does it edit the outline.
"""
