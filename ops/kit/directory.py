"""The directory of a kit: what was written there before and is no longer needed disappears, other files stay."""

from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from ops.failure import OpsError
from ops.kit.files import PRIVATE

LIST: Final = ".kit"
"""The list of the kit's files, one per line. A directory that has other content, and no list, is somebody else's."""


def write(directory: Path, content: Mapping[str, str]) -> None:
    """Make the directory the kit with this content.

    Args:
        directory: it is created if it does not exist.
        content: the text of each file, by its path below the directory.

    Raises:
        OpsError: the directory has other content, or cannot be written.

    """
    try:
        former = _former(directory)
        foreign = sorted(name for name in set(content) - former if (directory / name).exists())
        if foreign:
            message = f"{directory / foreign[0]} is not the kit's: move it, or choose a new or empty directory"
            raise OpsError(message)
        directory.mkdir(parents=True, exist_ok=True)
        # Before and after: a kit whose writing was interrupted is recognised as one.
        _list(directory, former | set(content))
        for name in former - set(content):
            (directory / name).unlink(missing_ok=True)
        folders = {str(parent) for name in former for parent in PurePosixPath(name).parents}
        for folder in sorted(folders, reverse=True):
            _remove_empty(directory, folder)
        for name, text in content.items():
            _write(directory, name, text)
        _list(directory, set(content))
    except OSError as error:
        message = f"{error.filename} cannot be written ({error.strerror}): choose a directory of your own"
        raise OpsError(message) from None


def _write(directory: Path, name: str, text: str) -> None:
    """Write a file, whose mode is not the user's umask's: root's copies of it are for every user."""
    file = directory / name
    for folder in reversed(PurePosixPath(name).parents[:-1]):
        (directory / folder).mkdir(exist_ok=True)
        (directory / folder).chmod(0o755)
    mode = 0o600 if name in PRIVATE else 0o644
    file.touch(mode=mode)
    file.chmod(mode)
    file.write_text(text, encoding="utf-8")


def _list(directory: Path, names: Collection[str]) -> None:
    (directory / LIST).write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")


def _former(directory: Path) -> set[str]:
    if not directory.exists():
        return set()
    if (directory / LIST).exists():
        # Anybody may have edited the list, or put links here: what leads out of the directory is not the kit's.
        names = (directory / LIST).read_text(encoding="utf-8").splitlines()
        return {name for name in names if (directory / name).resolve().is_relative_to(directory.resolve())}
    if any(directory.iterdir()):
        message = f"{directory} has other files than a kit's: choose a new or empty directory"
        raise OpsError(message)
    return set()


def _remove_empty(directory: Path, name: str) -> None:
    folder = directory / name
    if name != "." and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
