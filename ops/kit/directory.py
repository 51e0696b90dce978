"""The directory of a kit: what was written there before and is no longer needed disappears, other files stay."""

from collections.abc import Mapping
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
        for name in former - set(content):
            (directory / name).unlink(missing_ok=True)
        folders = {str(parent) for name in former for parent in PurePosixPath(name).parents}
        for folder in sorted(folders, reverse=True):
            _remove_empty(directory, folder)
        for name, text in content.items():
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if name in PRIVATE:
                file.touch(mode=0o600)
                file.chmod(0o600)
            file.write_text(text, encoding="utf-8")
        (directory / LIST).write_text("".join(f"{name}\n" for name in sorted(content)), encoding="utf-8")
    except OSError as error:
        message = f"{error.filename} cannot be written ({error.strerror}): choose a directory of your own"
        raise OpsError(message) from None


def _former(directory: Path) -> set[str]:
    if not directory.exists():
        return set()
    if (directory / LIST).exists():
        # The list is a file that anybody may have edited: what leads out of the directory is not the kit's.
        names = (directory / LIST).read_text(encoding="utf-8").splitlines()
        return {name for name in names if name and not PurePosixPath(name).is_absolute() and ".." not in name}
    if any(directory.iterdir()):
        message = f"{directory} has other files than a kit's: choose a new or empty directory"
        raise OpsError(message)
    return set()


def _remove_empty(directory: Path, name: str) -> None:
    folder = directory / name
    if name != "." and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
