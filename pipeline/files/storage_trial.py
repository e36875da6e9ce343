"""A trial of a storage before any work: a small object is written, read and removed."""

import secrets

from pipeline.files.storage import Storage, StorageError


def try_out(storage: Storage) -> None:
    """Write, read and remove an object.

    Raises:
        StorageError: the storage cannot be reached or refuses, or what is read is not what was written.
    """
    name = f"trial-{secrets.token_hex(4)}"
    storage.put(name, name.encode())
    try:
        content = storage.get(name)
    except FileNotFoundError:
        content = b""
    finally:
        storage.delete([name])
    if content != name.encode():
        raise StorageError(
            f"expected {storage.address}/{name} as it was just written, got {content[:40]!r}; look at the server"
        )
