"""Why a node died: the exception that ended its start, or the last lines of its log that say something.

The runner catches the exception that ends a start and exits without a word, so the Java machine is told to note down
every exception that is thrown; the last one before the runner's own is the reason.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

LINES = 3
_KEPT = "4m"  # a start throws some 2 MB of them, nearly all handled

_RUNNER = "org/codelibs/opensearch/runner/OpenSearchRunnerException"
_THROWN = re.compile(r"^Exception <a '([\w/$]+)'\{0x[0-9a-f]+\}(?:: (.*?))?>(?: \(0x| *$)", re.MULTILINE | re.DOTALL)
_LOGGED = re.compile(r"^\[[^]]*\]\[(\w+) *\]\[[^]]*\] (.*)")  # time, level, logger, message
_NOISE = re.compile(
    r"^\s|^$|^WARNING: |^SLF4J|^Creating |^Closed all nodes"
    r"|^(Cluster Name|Base Path|Num Of Node|Node Name|HTTP Port|Data Directory|Log Directory):"
)


def recorded_in(file: Path) -> str:
    """Return the Java option that notes exceptions down, in at most two files of a few MB."""
    return f'-Xlog:exceptions=info:file="{file}":none:filecount=1,filesize={_KEPT}'


def status(code: int) -> str:
    """Return how a process ended, as subprocess numbers it."""
    return f"exit status {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def other_port(log: Path, port: int, *, since: int) -> bool:
    """Whether the runner has said that it takes another port, as it does when something listens on this one."""
    said = re.search(r"^HTTP Port: +(\d+)$", _text(log, since), re.MULTILINE)
    return said is not None and int(said[1]) != port


def reason(exceptions: Path, log: Path, *, since: int) -> str:
    """Return one line on why a node is no more.

    Args:
        exceptions: What `recorded_in` has recorded.
        log: What the node has printed.
        since: Where in the log its last start begins, in bytes.
    """
    return _thrown(_text(exceptions)) or _last_lines(_text(log, since)) or "it said nothing"


def _thrown(text: str) -> str:
    before, found, _ = text.partition(f"Exception <a '{_RUNNER}'")
    thrown = list(_THROWN.finditer(before[-(2**16) :])) if found else []
    if not thrown:
        return ""
    kind, message = thrown[-1].groups()
    name = kind.rpartition("/")[2].rpartition("$")[2]
    return " ".join(f"{name}: {message or 'no message'}".split())


def _last_lines(text: str) -> str:
    """Return the last lines but frames of stacks, banners, and what is for information where anything else is said."""
    said = [_split(line) for line in text.splitlines()]
    said = [(level, message) for level, message in said if not _NOISE.search(message)]
    telling = [message for level, message in said if level != "INFO"]
    return " | ".join((telling or [message for _, message in said])[-LINES:])


def _split(line: str) -> tuple[str, str]:
    logged = _LOGGED.match(line)
    return (logged[1], logged[2]) if logged else ("", line)


def _text(file: Path, since: int = 0) -> str:
    try:
        return file.read_bytes()[since:].decode(errors="replace")
    except OSError:
        return ""
