"""Jobs on a head that asks for a token."""

import pytest

from tests.support import ray_head, tiny_jobs
from tests.support.tiny_jobs import segnet

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(600)]


def test_with_a_token_jobs_run_and_the_token_is_shown_nowhere(tmp_path):
    made = tiny_jobs.make(tmp_path / "repository")
    token, wrong = "3f9a" * 16, "77ab" * 16
    for name, text in (("token", token), ("wrong", wrong)):
        (tmp_path / name).write_text(text)
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    place = f"file://{tmp_path / 'storage'}"
    tiny_jobs.change(made, train=f"env; {tiny_jobs.STAGES['train']['cmd']}; cat missing")
    with ray_head.head(tmp_path / "log", ready="/", **own) as address:
        said = []
        for settings in (own, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}):
            done = segnet(made, "submit", "--address", address, "--storage", place, "--id", "a", **settings)
            assert done.returncode == 1, done
            assert "cat: missing: No such file or directory" in done.stderr
            said += [done.stdout, done.stderr]
        said.append(segnet(made, "jobs", "--json", "--address", address, **own).stdout)
        for settings in ({**own, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "wrong")}, {"RAY_AUTH_MODE": "disabled"}):
            refused = segnet(made, "jobs", "--address", address, **settings)
            assert refused.returncode == 1
            assert f"segnet: expected {address} to accept the token, got Authentication" in refused.stderr
            said += [refused.stdout, refused.stderr]
    assert token not in "".join(said)
    assert wrong not in "".join(said)
    stored = [path.read_bytes() for path in (tmp_path / "storage").rglob("*") if path.is_file()]
    assert not any(token.encode() in content for content in stored)
