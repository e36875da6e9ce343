"""What compose.yaml refuses, and what it promises without being started."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support import ROOT

COMPOSE = ROOT / "docker/compose.yaml"
SERVICES = YAML(typ="safe", pure=True).load(COMPOSE)["services"]
EXAMPLE = dict(re.findall(r"(?m)^(\w+)=(.*)$", (ROOT / "docker/.env.example").read_text()))


@pytest.fixture
def config(tmp_path):
    """Return a function that runs podman-compose config with some variables; podman itself need not be there."""
    (tmp_path / "podman").write_text("#!/bin/sh\necho podman version 4.6.0\n")
    (tmp_path / "podman").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    def run(**settings):
        command = (Path(sys.executable).parent / "podman-compose", "--file", COMPOSE, "config")
        return subprocess.run(command, env={"PATH": path, **settings}, capture_output=True, text=True)

    return run


def test_the_example_has_every_variable_that_is_required_and_no_password(config):
    required = set(re.findall(r"\{(\w+):\?", COMPOSE.read_text()))
    assert required == EXAMPLE.keys()
    assert {name for name, value in EXAMPLE.items() if value} == {"S3_ACCESS_KEY", "MLFLOW_USER"}
    assert config(**dict.fromkeys(required, "x")).returncode == 0


@pytest.mark.parametrize("name", EXAMPLE)
def test_a_missing_variable_is_an_error_that_names_it(name, config):
    done = config(**{each: "x" for each in EXAMPLE if each != name})
    assert done.returncode != 0
    assert f"{name} is missing a value: " in done.stderr
    assert "see docker/.env.example" in done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_privileges_and_comes_back(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    ends = {"bucket": "on-failure", "users": "on-failure", "path": "no"}
    assert service["restart"] == ends.get(name, "unless-stopped")
    assert name in ends or "healthcheck" in service
    assert name in ends or "memory" in service["deploy"]["resources"]["limits"]


def test_what_answers_strangers_has_no_login_but_the_readers():
    facing = [service for service in SERVICES.values() if "front" in service["networks"]]
    texts = [str(service.get("environment", {})) for service in facing]
    assert sorted(name for text in texts for name in re.findall(r"\$\{(\w+)", text)) == ["MLFLOW_READER_PASSWORD"]


def test_only_loopback_is_published_and_nothing_of_ray():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == {"mlflow", "proxy"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_ray_has_longer_to_stop_a_job_than_a_stage_to_clean_up_and_the_container_longer_still():
    for name in ("ray-head", "ray-worker", "ray-worker-gpu"):
        wait = int(SERVICES[name]["environment"]["RAY_JOB_STOP_WAIT_TIME_S"])
        assert 60 < wait < int(SERVICES[name]["stop_grace_period"].removesuffix("s"))


def test_the_gpu_worker_is_started_on_request_only():
    assert SERVICES["ray-worker-gpu"]["profiles"] == ["gpu"]
    (device,) = SERVICES["ray-worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
