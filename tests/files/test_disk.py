import errno

import pytest

from pipeline.files import disk


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO])
def test_what_the_disk_refuses_is_known_by_its_number(number):
    assert disk.refuses(OSError(number, "x"))


@pytest.mark.parametrize(
    "err", [FileNotFoundError(errno.ENOENT, "x"), OSError("x"), ValueError("x"), BrokenPipeError()]
)
def test_other_errors_are_not_the_disks(err):
    assert not disk.refuses(err)
