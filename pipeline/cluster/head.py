"""Ray's client of a head's dashboard, which by itself waits for ever and obeys the environment first."""

import importlib.util
import logging
import os
from typing import Any

from pipeline.cluster.failures import JobError

ADDRESSES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Environment variables that may name the dashboard of a head."""
_TIMEOUTS = (10.0, 60.0)  # seconds, to connect and between bytes: a head that vanishes must not hold the client forever
_TALKATIVE = ("ray.dashboard.modules.job.sdk", "ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env")


def client(address: str) -> Any:
    """Return Ray's client of the jobs of the head whose dashboard is at `address`, whatever the environment names.

    Raises:
        JobError: Ray was installed without what clients of jobs need.
        Exception: those of Ray's client and of requests.
    """
    if importlib.util.find_spec("aiohttp") is None:
        raise JobError(
            "expected ray[default], got Ray without it; run pip install -e '.[cluster]' in the repository's folder"
        )
    from ray.job_submission import JobSubmissionClient

    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)

    class Client(JobSubmissionClient):  # type: ignore[misc]  # mypy is not to follow Ray
        """Ray's, which by itself waits for an answer forever."""

        def _do_request(self, *arguments: Any, **options: Any) -> Any:
            return super()._do_request(*arguments, **{"timeout": _TIMEOUTS, **options})

    before = {name: os.environ.pop(name) for name in ADDRESSES if name in os.environ}
    try:  # for Ray, both take precedence over the address that it is given
        return Client(address)
    finally:
        os.environ |= before
