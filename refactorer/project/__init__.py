"""Training functions that stand in other files of a script's project, taken in as if the script defined them.

    others = read_others(source)                      what the script's imports lead to, as values
    result = convert_file(source.text, path=..., options=..., others=others)

What other files use of the script stays there. Only `reading.py`, `texts.py` and `importers.py` look at the disk;
everything else works on texts. A text without a path, such as standard input, has no other files, and nothing is taken
in.
"""

from __future__ import annotations

from refactorer.project.conversion import analyze_file, convert_file
from refactorer.project.files import ALONE, OtherFile, Others
from refactorer.project.importers import forget
from refactorer.project.reading import read_others

__all__ = ["ALONE", "OtherFile", "Others", "analyze_file", "convert_file", "forget", "read_others"]
