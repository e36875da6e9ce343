"""The manifests of docker/kuberay as kubectl would apply them, and strict schemas of RayJob and RayCluster.

kustomize itself is in no package registry that tests may ask; what the kustomizations use of it is done here, and a
field that is not known here is an error. The schemas' fields are those that KubeRay 1.6's API reference lists
(https://docs.ray.io/en/master/cluster/kubernetes/references/api.html), without those that nobody here needs.
"""

import copy

import jsonpatch
import jsonschema
import kubernetes_validate
from ruamel.yaml import YAML

KUBERNETES = "1.34"
_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
_COUNT = {"type": "integer", "minimum": 0}
_FLAG, _TEXT, _ANY = {"type": "boolean"}, {"type": "string", "minLength": 1}, {"type": "object"}
_FIELDS = {"apiVersion", "kind", "namespace", "resources", "components", "configMapGenerator", "images", "patches"}


def _object(required=(), **properties):
    """Return the schema of an object that has no other fields."""
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


_AUTOSCALER = _object(
    resources=_ANY,
    securityContext=_ANY,
    idleTimeoutSeconds=_COUNT,
    upscalingMode={"enum": ["Default", "Aggressive", "Conservative"]},
    version={"enum": ["v1", "v2"]},
    env={"type": "array"},
    envFrom={"type": "array"},
    volumeMounts={"type": "array"},
)
_HEAD = _object(
    ["rayStartParams", "template"],
    rayStartParams=_STRINGS,
    template=_ANY,
    serviceType={"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    headService=_ANY,
    enableIngress=_FLAG,
)
_WORKERS = _object(
    ["groupName", "minReplicas", "maxReplicas", "rayStartParams", "template"],
    groupName=_TEXT,
    replicas=_COUNT,
    minReplicas=_COUNT,
    maxReplicas=_COUNT,
    numOfHosts=_COUNT,
    idleTimeoutSeconds=_COUNT,
    suspend=_FLAG,
    rayStartParams=_STRINGS,
    template=_ANY,
)
CLUSTER = _object(
    ["headGroupSpec", "rayVersion"],
    rayVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    authOptions=_object(["mode"], mode={"enum": ["token", "disabled"]}, secretName=_TEXT),
    enableInTreeAutoscaling=_FLAG,
    autoscalerOptions=_AUTOSCALER,
    headGroupSpec=_HEAD,
    workerGroupSpecs={"type": "array", "items": _WORKERS, "minItems": 1},
    suspend=_FLAG,
)
JOB = _object(
    ["entrypoint", "rayClusterSpec"],
    jobId={"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"},
    entrypoint=_TEXT,
    submissionMode={"enum": ["K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"]},
    backoffLimit=_COUNT,
    submitterConfig=_object(backoffLimit=_COUNT),
    submitterPodTemplate=_ANY,
    shutdownAfterJobFinishes=_FLAG,
    ttlSecondsAfterFinished=_COUNT,
    activeDeadlineSeconds=_COUNT,
    runtimeEnvYAML=_TEXT,
    metadata=_STRINGS,
    suspend=_FLAG,
    rayClusterSpec=CLUSTER,
)
_SCHEMAS = {"RayCluster": CLUSTER, "RayJob": JOB}


def load(path):
    """Return the documents of a YAML file."""
    return list(YAML(typ="safe", pure=True).load_all(path))


def build(folder):
    """Return the manifests that a folder with a kustomization makes."""
    (tree,) = load(folder / "kustomization.yaml")
    assert tree.keys() <= _FIELDS, f"{folder}: {tree.keys() - _FIELDS}"
    made = [each for name in tree.get("resources", ()) for each in _resources(folder / name)]
    for generated in tree.get("configMapGenerator", ()):
        assert generated["options"] == {"disableNameSuffixHash": True}
        data = dict(line.split("=", 1) for line in generated["literals"])
        made.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generated["name"]}, "data": data})
    _change(made, tree)
    for name in tree.get("components", ()):
        (component,) = load(folder / name / "kustomization.yaml")
        made += [each for file in component["resources"] for each in load(folder / name / file)]
        _change(made, component)
    return made


def _resources(path):
    return build(path) if path.is_dir() else load(path)


def _change(made, tree):
    """Patch manifests in place, and name their images."""
    for patch in tree.get("patches", ()):
        kind, name = patch["target"]["kind"], patch["target"]["name"]
        for each in [each for each in made if (each["kind"], each["metadata"]["name"]) == (kind, name)]:
            jsonpatch.apply_patch(each, YAML(typ="safe", pure=True).load(patch["patch"]), in_place=True)
    for image in tree.get("images", ()):
        for container in (c for each in made for pod in pods(each) for c in pod["spec"]["containers"]):
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"


def pods(manifest):
    """Return the pod templates of a RayJob or a RayCluster: the submitter's, the head's, the workers'."""
    spec = manifest.get("spec", {})
    cluster = spec.get("rayClusterSpec", spec)
    groups = [cluster[key] for key in ("headGroupSpec",) if key in cluster] + cluster.get("workerGroupSpecs", [])
    return [spec[key] for key in ("submitterPodTemplate",) if key in spec] + [group["template"] for group in groups]


def validate(manifest):
    """Check a manifest strictly: an unknown field is an error.

    Raises:
        jsonschema.ValidationError: it breaks the schema of its kind, or one of its pod templates does.
    """
    if manifest["kind"] not in _SCHEMAS:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        return
    assert manifest.keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert manifest["apiVersion"] == "ray.io/v1"
    jsonschema.validate(manifest["spec"], _SCHEMAS[manifest["kind"]])
    for template in pods(manifest):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, **copy.deepcopy(template)}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)
