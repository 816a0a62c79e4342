"""Conversion of whole collections of scripts that are not part of the repository."""
