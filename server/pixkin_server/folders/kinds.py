"""Which files of a folder are pictures, and what the others are called where they are counted."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

PICTURES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jif", ".jfif", ".jfi", ".pjpeg", ".pjp", ".png", ".apng", ".webp", ".gif", ".bmp",
     ".dib"}
)  # fmt: skip
_SUFFIXES = {
    "HEIC": ".heic .heics .heif .heifs .hif",
    "AVIF": ".avif .avifs",
    "TIFF": ".tif .tiff",
    "RAW": ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .iiq .k25 .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw "
    ".rw2 .rwl .sr2 .srf .srw .x3f",
    "JPEG XL": ".jxl",
    "JPEG 2000": ".jp2 .j2k .jpf .jpx .jpm .j2c",
    "PSD": ".psd .psb",
    "SVG": ".svg .svgz",
    "PNM": ".pbm .pgm .ppm .pnm",
    "TGA": ".tga",
    "OpenEXR": ".exr",
    "QOI": ".qoi",
    "video": ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .webm .wmv",
}
_OTHERS = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes.split()}
# What stands beside pictures by the thousand and is none: it is not opened to see.
_COMPANIONS = frozenset(
    {".aae", ".csv", ".css", ".db", ".doc", ".docx", ".gz", ".htm", ".html", ".ini", ".js", ".json", ".log", ".lrcat",
     ".m4a", ".md", ".mp3", ".pdf", ".py", ".thm", ".txt", ".url", ".wav", ".xml", ".xmp", ".zip"}
)  # fmt: skip
_COUNTED = frozenset(_SUFFIXES) | {"OpenEXR", "Radiance HDR", "DDS", "an XCF of GIMP"}
PICTURE = "picture"
UNUSUAL, DANGLING, SPECIAL = "picture with an unusual suffix", "link to nothing", "special file"
LINKED, EXCLUDED = "link to a folder", "excluded"
HIDDEN_FILE, HIDDEN_FOLDER, TRASH = "hidden file", "hidden folder", "trash or cache folder"
_PLURALS = {
    "video": "videos",
    UNUSUAL: "pictures with an unusual suffix",
    DANGLING: "links to nothing",
    SPECIAL: "special files",
    LINKED: "links to folders",
    HIDDEN_FILE: "hidden files",
    HIDDEN_FOLDER: "hidden folders",
    TRASH: "trash or cache folders",
    EXCLUDED: "excluded",
}


def kind_of_file(path: str, name: str) -> str:
    """Return PICTURE, or what a file is counted as that is passed over; empty for what is neither picture nor video.

    The name's suffix decides; a file without one, or with one that says nothing, is opened for its first bytes.
    """
    suffix = suffix_of(name)
    if suffix in _OTHERS or suffix in _COMPANIONS:
        return _OTHERS.get(suffix, "")
    if not _may_be_file(path):  # a pipe is never opened: nobody may write to it
        return "" if suffix not in PICTURES else DANGLING if Path(path).is_symlink() else SPECIAL
    return PICTURE if suffix in PICTURES else _kind_of_contents(path, PICTURE if not suffix else UNUSUAL)


def seems_pictorial(name: str) -> bool:
    """Return whether a file is a picture or a video by its name alone."""
    suffix = suffix_of(name)
    return suffix in PICTURES or suffix in _OTHERS


def suffix_of(name: str) -> str:
    """Return the suffix of a name in small letters; a dot at its end is none."""
    return os.path.splitext(name)[1].lower().rstrip(".")  # noqa: PTH122  # a Path for every file takes longer


def sentence(passed_over: Counter[str]) -> str:
    """Return what was passed over as one sentence."""
    order = {kind: number for number, kind in enumerate((*_SUFFIXES, *_PLURALS))}
    kinds = sorted(passed_over, key=lambda kind: (order.get(kind, len(_SUFFIXES)), kind))
    many = [f"{passed_over[kind]:,} {_PLURALS.get(kind, kind) if passed_over[kind] > 1 else kind}" for kind in kinds]
    return f"passed over: {', '.join(many)} (see docs/formats.md)"


def _may_be_file(path: str) -> bool:
    try:
        return Path(path).is_file()
    except OSError:
        return True  # it is there, and refused with the reason when it is read


def _kind_of_contents(path: str, readable_is: str) -> str:
    from pixkin_embedding.formats import readable
    from pixkin_embedding.formats.unread import HEAD_BYTES, is_text, kind_of

    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # a Path for every file takes longer
            head = file.read(HEAD_BYTES)
    except OSError:
        return ""
    if is_text(head):
        return ""
    kind = readable_is if readable(head) else kind_of(head).removeprefix("a ")
    return kind if kind == readable_is or kind in _COUNTED else ""
