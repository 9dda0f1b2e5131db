"""HTML as a tree, so that no text of a report can become markup."""

from __future__ import annotations

from xml.etree.ElementTree import Element, tostring

__all__ = ["Element", "document", "element", "part", "visible"]


def element(tag: str, *children: Element | str, **attributes: str) -> Element:
    """Return an element. In names of attributes `_` stands for `-`, and one at the end is dropped (`class_`)."""
    made = Element(tag, {name.rstrip("_").replace("_", "-"): visible(value) for name, value in attributes.items()})
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + visible(child)
        else:
            made.text = (made.text or "") + visible(child)
    return made


def part(key: str, heading: str, *children: Element) -> Element:
    """Return a section of the page with its heading; `key` is its anchor."""
    title = element("h2", heading, id=f"{key}-heading")
    return element("section", title, *children, id=key, aria_labelledby=f"{key}-heading")


def document(root: Element) -> bytes:
    """Return the bytes of a page."""
    return b"<!DOCTYPE html>\n" + tostring(root, encoding="utf-8", method="html")


def visible(text: str) -> str:
    """Return a text with every character that is invisible, turns the writing direction or is none as its escape."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
