"""Folders of pictures, and how a collection is brought up to date with them.

`walking.py` surveys a folder with the rules of `choosing.py` and `kinds.py`; `adding.py` brings pictures in; `gone.py`
says what a folder does not have any more, and `syncing.py` follows it; `report.py` counts what happened.
"""

from pixkin_server.folders.adding import add_pictures
from pixkin_server.folders.choosing import Choice
from pixkin_server.folders.gone import Gone, find_gone
from pixkin_server.folders.kinds import sentence
from pixkin_server.folders.pictures import Picture, prefixed, single
from pixkin_server.folders.report import Report
from pixkin_server.folders.syncing import rebase, sync_folder
from pixkin_server.folders.walking import Survey, survey, walk

__all__ = [
    "Choice",
    "Gone",
    "Picture",
    "Report",
    "Survey",
    "add_pictures",
    "find_gone",
    "prefixed",
    "rebase",
    "sentence",
    "single",
    "survey",
    "sync_folder",
    "walk",
]
