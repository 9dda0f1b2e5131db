"""Who we are to a cluster: certificates and credentials, from the environment or a file, never from flags or a URL."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pixkin_proto.errors import InvalidArgument, listed

PREFIX = "PIXKIN_OPENSEARCH_"
FILE = PREFIX + "FILE"
SIGV4_SERVICES = ("es",)
PATHS = ("ca", "client_cert", "client_key", "password_file", "token_file")
SECRETS = ("password", "token")
KEYS = (
    "ca",
    "client_cert",
    "client_key",
    "user",
    "password",
    "password_file",
    "token",
    "token_file",
    "sigv4",
    "region",
)
"""The file's keys, and in capitals the ends of the variables' names."""

_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class ConnectionSettings:
    """Certificates and credentials for one cluster; what is empty is not used.

    Args:
        ca: PEM file of the certificate authorities to trust in place of the system's.
        client_cert: PEM file of our certificate, for a cluster that asks for one.
        client_key: PEM file of its key, not encrypted, when `client_cert` does not hold it.
        user: name for basic authentication.
        password: its password.
        token: bearer token.
        sigv4: AWS service to sign requests for, one of SIGV4_SERVICES; botocore finds the credentials.
        region: AWS region; the one that botocore is set to when empty.

    Raises:
        InvalidArgument: the parts contradict each other or are incomplete; the message names them, never their values.
    """

    ca: str = ""
    client_cert: str = ""
    client_key: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    sigv4: str = ""
    region: str = ""

    def __post_init__(self) -> None:
        self._check_one_identity()
        self._check_pairs()
        self._check_characters()

    def _check_one_identity(self) -> None:
        named = [key for key in ("user", "token", "sigv4") if getattr(self, key)]
        if len(named) > 1:
            raise InvalidArgument(f"{' and '.join(map(variable, named))} contradict each other; set one of them")

    def _check_pairs(self) -> None:
        for key, needed in (("user", "password"), ("password", "user"), ("client_key", "client_cert")):
            if getattr(self, key) and not getattr(self, needed):
                raise InvalidArgument(f"{variable(key)} is set without {variable(needed)}; set both or neither")
        if self.region and not self.sigv4:
            raise InvalidArgument(f"{variable('region')} is for requests signed by {variable('sigv4')}; set both")

    def _check_characters(self) -> None:
        if ":" in self.user:
            raise InvalidArgument(f"{variable('user')} has a colon, which basic authentication cannot send")
        if self.token and not _TOKEN.fullmatch(self.token):
            raise InvalidArgument(
                f"{variable('token')} is no bearer token: a header takes printable ASCII without spaces"
            )
        if self.sigv4 and self.sigv4 not in SIGV4_SERVICES:
            raise InvalidArgument(
                f"{variable('sigv4')} is {self.sigv4!r}; allowed is es, for a domain (Serverless is not supported)"
            )


def read_settings(environ: Mapping[str, str] = os.environ) -> ConnectionSettings:
    """Return the settings of the variables PIXKIN_OPENSEARCH_… and of the TOML file that PIXKIN_OPENSEARCH_FILE names.

    A variable goes before the file's key; an empty one counts as not set. The variables and keys that end in `_file`
    name files that hold a secret and nothing else, as container platforms mount them.

    Raises:
        InvalidArgument: there is no such variable, a file cannot be read or lets others read a secret, or the settings
            contradict each other.
    """
    known = {FILE, *map(variable, KEYS)}
    if unknown := sorted(name for name in environ if name.startswith(PREFIX) and name not in known):
        raise InvalidArgument(f"the environment has {unknown[0]}, which is no setting; there are {listed(known)}")
    variables = {key: environ[variable(key)] for key in KEYS if environ.get(variable(key))}
    values = {**_from_file(environ.get(FILE, "")), **_with_secrets(variables, {key: variable(key) for key in KEYS})}
    return ConnectionSettings(**values)


def variable(key: str) -> str:
    """Return the name of the variable for a key."""
    return PREFIX + key.upper()


def _from_file(name: str) -> dict[str, str]:
    if not name:
        return {}
    path = _path(name)
    table = _parse(path, _read(path, FILE))
    if unknown := sorted(set(table) - set(KEYS)):
        raise InvalidArgument(f"{path} has the key {unknown[0]!r}; allowed are {listed(KEYS)}")
    if wrong := [key for key, value in table.items() if not isinstance(value, str)]:
        raise InvalidArgument(f"{wrong[0]} in {path} is no text; write it in quotes")
    if any(table.get(key) for key in SECRETS):
        _check_private(path)
    given = {key: value for key, value in table.items() if value}
    return _with_secrets(given, {key: f"{key} in {path}" for key in KEYS})


def _path(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:  # "~" of a user without a home directory
        raise InvalidArgument(f"{name} cannot be looked for: {error}; write the whole path") from None


def _parse(path: Path, text: str) -> dict[str, str]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser's words quote the place, never the line: "Invalid value (at line 2, column 12)".
        raise InvalidArgument(f"{path}, which {FILE} names, is no TOML file: {error}") from None


def _check_private(path: Path) -> None:
    # As ssh does with keys: a secret that others could read must be taken as known, so going on would hide a leak.
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidArgument(f"{path} holds a secret and is open to other users; close it with: chmod 600 {path}")


def _with_secrets(given: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Return the settings with each secret read from the file that is named for it; `names` is for messages."""
    values = {key: str(_path(value)) if key in PATHS else value for key, value in given.items()}
    for secret in SECRETS:
        source = values.pop(f"{secret}_file", "")
        if source and secret in values:
            raise InvalidArgument(
                f"{names[secret]} and {names[f'{secret}_file']} contradict each other; set one of them"
            )
        if source:
            values[secret] = _secret(Path(source), names[f"{secret}_file"])
    return values


def _secret(path: Path, name: str) -> str:
    lines = _read(path, name).splitlines()
    if len(lines) != 1 or not lines[0]:
        raise InvalidArgument(f"{path}, which {name} names, has {len(lines)} lines; it must hold the secret alone")
    return lines[0]


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidArgument(f"{path}, which {name} names, cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidArgument(f"{path}, which {name} names, is no text in UTF-8") from None
