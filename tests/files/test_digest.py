import hashlib
import subprocess
import sys

from pipeline.files import digest


def test_a_folders_digest_is_the_one_that_dvc_computes(tmp_path):
    (tmp_path / "d" / "sub").mkdir(parents=True)
    for name in ("b.txt", "a b.bin", "sub/c", "sub.txt", "é.txt"):
        (tmp_path / "d" / name).write_text(name)
    dvc = [sys.executable, "-m", "dvc"]
    environment = {"DVC_NO_ANALYTICS": "1", "HOME": str(tmp_path), "PATH": ""}
    subprocess.run([*dvc, "init", "--no-scm", "-q"], cwd=tmp_path, check=True, env=environment)
    subprocess.run([*dvc, "add", "-q", "d"], cwd=tmp_path, check=True, env=environment)
    line = next(line for line in (tmp_path / "d.dvc").read_text().splitlines() if "md5:" in line)
    assert line.split("md5: ")[1] == digest.directory_md5(tmp_path / "d")


def test_a_files_digest_is_its_md5(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert digest.file_md5(tmp_path / "f") == "900150983cd24fb0d6963f7d28e17f72"


def test_a_folders_contents_have_a_sha256_over_names_and_bytes(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/b").write_bytes(b"abc")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest.content_sha256(tmp_path) == hashlib.sha256(f"d/b {abc}\n".encode()).hexdigest()
