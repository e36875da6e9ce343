"""Zip archives to download and unpack."""

import io
import zipfile


def zipped(members, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content, **options)
    return buffer.getvalue()


WHOLE = zipped([("root/data/a.txt", b"alpha" * 1000), ("root/data/deep/b.txt", b"beta"), ("root/other.txt", b"no")])
