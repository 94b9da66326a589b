"""Credentials that `hive login` gave, kept on disk: a file each, for its owner's eyes alone."""

import os
import tempfile
from pathlib import Path

from hive.daemon.config import ConfigError, NamedCredential
from hive.files import read_small
from hive.wire.codec import WireError, decode, encode
from hive.wire.names import check_name


def keep(folder: Path, credential: NamedCredential) -> None:
    """Write the credential so that it survives a power cut (blocks); raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    file, name = tempfile.mkstemp(prefix=".", dir=folder)  # mode 0600; a dot begins no name
    try:
        with os.fdopen(file, "wb") as writer:
            writer.write(encode(credential))
            writer.flush()
            os.fsync(file)
        Path(name).rename(folder / credential.name)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    for changed in (folder, folder.parent):
        _sync(changed)


def _sync(folder: Path) -> None:
    entry = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def kept(folder: Path) -> tuple[NamedCredential, ...]:
    """Every credential in the folder, by name (blocks); raises ConfigError."""
    return tuple(_read(file) for file in sorted(folder.glob("*")) if _is_ours(file.name))


def _is_ours(name: str) -> bool:
    try:
        return check_name(name) == name
    except ValueError:
        return False


def _read(file: Path) -> NamedCredential:
    try:
        credential = decode(read_small(file, follow=True), NamedCredential)
        assert isinstance(credential, NamedCredential)
        if credential.name != file.name:
            raise ConfigError("it is another credential's")
        credential.check()
    except (OSError, WireError, ConfigError) as error:
        raise ConfigError(
            f"{file} cannot be used: {error}; remove it and run `hive login --credential "
            f"{file.name}` again"
        ) from None
    return credential
