"""docker/kuberay: what kubectl would apply is valid, strictly, and does what docker/README.md says."""

import copy
import subprocess
import sys

import jsonschema
import pytest

from pipeline.cluster import submission
from tests.support import ROOT, kuberay
from tests.support.repository import Repository

KUBERAY = ROOT / "docker/kuberay"
OVERLAYS = sorted(path.name for path in (KUBERAY / "overlays").iterdir())


def made(overlay):
    return kuberay.build(KUBERAY / "overlays" / overlay)


def of_kind(manifests, kind):
    (found,) = [each for each in manifests if each["kind"] == kind]
    return found


def ray(overlay):
    """Return the RayJob or RayCluster of an overlay."""
    return of_kind(made(overlay), "RayJob" if overlay.endswith("-job") else "RayCluster")


def cluster(overlay):
    spec = ray(overlay)["spec"]
    return spec.get("rayClusterSpec", spec)


def test_there_is_a_job_and_a_cluster_for_cpus_and_for_gpus():
    assert OVERLAYS == ["cpu-cluster", "cpu-job", "gpu-cluster", "gpu-job"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_manifest_is_valid(overlay):
    manifests = made(overlay)
    for manifest in manifests:
        kuberay.validate(manifest)
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "place",
    [
        (),
        ("headGroupSpec",),
        ("workerGroupSpecs", 0),
        ("autoscalerOptions",),
        ("workerGroupSpecs", 0, "template", "spec"),
        ("headGroupSpec", "template", "spec", "containers", 0, "securityContext"),
    ],
)
def test_a_wrong_field_fails(place):
    manifest = copy.deepcopy(ray("cpu-job"))
    target = manifest["spec"]["rayClusterSpec"]
    for step in place:
        target = target[step]
    target["replicaz"] = 1
    with pytest.raises(jsonschema.ValidationError, match="replicaz"):
        kuberay.validate(manifest)


def test_a_wrong_value_fails():
    manifest = copy.deepcopy(ray("cpu-job"))
    manifest["spec"]["backoffLimit"] = "0"
    with pytest.raises(jsonschema.ValidationError, match="'0' is not of type 'integer'"):
        kuberay.validate(manifest)


def test_a_job_is_tried_once_and_its_id_is_the_one_that_it_is_submitted_with():
    spec = ray("cpu-job")["spec"]
    assert (spec["backoffLimit"], spec["submitterConfig"]["backoffLimit"]) == (0, 0)
    submission.check_id(spec["jobId"])
    (submitter,) = spec["submitterPodTemplate"]["spec"]["containers"]
    assert submitter["command"][:4] == ["tini", "--", "segnet", "submit"]
    assert "--id=$(RAY_JOB_SUBMISSION_ID)" in submitter["command"]


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_a_jobs_cluster_is_the_one_that_stands(kind):
    assert cluster(f"{kind}-job") == cluster(f"{kind}-cluster")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_restricted(overlay):
    """As the Pod Security Standards' level `restricted` asks, and with a root file system that nobody writes to."""
    for pod in kuberay.pods(ray(overlay)):
        settings = pod["spec"]["securityContext"]
        assert settings["runAsNonRoot"] is True
        assert settings["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {name for volume in pod["spec"]["volumes"] for name in volume} <= {"name", "emptyDir"}
        for container in pod["spec"]["containers"]:
            own = container["securityContext"]
            assert (own["allowPrivilegeEscalation"], own["readOnlyRootFilesystem"]) == (False, True)
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"] == container["resources"]["requests"]["memory"] or (
                container["name"] == "submit"
            )
    namespace = of_kind(made(overlay), "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_cluster_has_a_token_bounds_and_a_head_without_cpus(overlay):
    spec = cluster(overlay)
    assert spec["authOptions"] == {"mode": "token", "secretName": "segnet-ray"}
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    (workers,) = spec["workerGroupSpecs"]
    assert spec["enableInTreeAutoscaling"]
    # A training is divided among the nodes that are there: without any, it would be refused.
    assert 1 <= workers["minReplicas"] <= workers["replicas"] < workers["maxReplicas"]
    limits = workers["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert ("nvidia.com/gpu" in limits) == overlay.startswith("gpu")
    head = spec["headGroupSpec"]["template"]["spec"]
    wait = {each["name"]: each.get("value") for each in head["containers"][0]["env"]}["RAY_JOB_STOP_WAIT_TIME_S"]
    assert 60 < int(wait) < head["terminationGracePeriodSeconds"]


def test_others_reach_no_pod_but_the_operator_the_dashboard():
    policy = of_kind(made("cpu-job"), "NetworkPolicy")["spec"]
    assert policy["podSelector"] == {}
    inside, operator = policy["ingress"]
    assert inside == {"from": [{"podSelector": {}}]}
    chart = {"matchLabels": {"app.kubernetes.io/name": "kuberay-operator"}}
    assert operator["from"] == [{"namespaceSelector": {}, "podSelector": chart}]
    assert operator["ports"] == [{"protocol": "TCP", "port": 8265}]


@pytest.mark.parametrize("overlay", ["cpu-job", "gpu-cluster"])
def test_a_volume_takes_the_place_of_the_object_store(overlay, tmp_path):
    text = (KUBERAY / "overlays" / overlay / "kustomization.yaml").read_text()
    folder = tmp_path / "kuberay/overlays" / overlay
    folder.mkdir(parents=True)
    for name in ("common", "job", "cluster", "pvc"):
        (tmp_path / "kuberay" / name).symlink_to(KUBERAY / name)
    (folder / "kustomization.yaml").write_text(f"{text}components: [../../pvc]\n")
    manifests = kuberay.build(folder)
    for manifest in manifests:
        kuberay.validate(manifest)
    claim = of_kind(manifests, "PersistentVolumeClaim")["metadata"]["name"]
    pods = kuberay.pods(of_kind(manifests, "RayJob" if overlay.endswith("job") else "RayCluster"))
    for pod in pods:
        assert {"name": "storage", "persistentVolumeClaim": {"claimName": claim}} in pod["spec"]["volumes"]
        assert {"name": "storage", "mountPath": "/mnt/segnet"} in pod["spec"]["containers"][0]["volumeMounts"]


@pytest.mark.slow
def test_the_id_of_a_job_is_the_one_that_submit_gives_it(tmp_path):
    (tmp_path / "repository").mkdir()
    repository = Repository(tmp_path / "repository")

    def printed(*words):
        command = (sys.executable, ROOT / "docker/job_id.py", *words)
        return subprocess.run(
            command, cwd=repository.folder, env=repository.environment(), capture_output=True, text=True
        )

    done = printed("s3://bucket/a")
    ids = [done.stdout.strip(), printed("s3://bucket/b").stdout.strip()]
    ids.append(printed("s3://bucket/a", "train.epochs=3").stdout.strip())
    assert len(set(ids)) == 3, done.stderr
    assert all(each.startswith("segnet-") for each in ids)
    assert printed("s3://bucket/a").stdout.strip() == ids[0]
    assert "expected job_id.py s3://bucket/prefix" in printed().stderr
