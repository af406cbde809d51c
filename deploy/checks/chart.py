"""The chart, with Helm 3 and Helm 4, over every set of values in `ci/`: linted, rendered, validated strictly
against the schemas of Kubernetes, and its configuration read by the broker itself."""

import base64
import contextlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import helm_python.chart as helm4
import kubernetes_validate
import yaml

from fleet import ROOT, binary
from sync import CHART, HELM, KUBERNETES

# The oldest that the chart is for, one between, the newest there is.
KUBE = ("1.28", "1.33", kubernetes_validate.latest_version())
OPERATOR = pathlib.Path(__file__).with_name("operator.mjs")
SETS = sorted((CHART / "ci").glob("*-values.yaml"))
failures = []


def fail(message):
    print(f"FAIL {message}")
    failures.append(message)


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def by_helm3(values, *more):
    return subprocess.run(
        [HELM, "template", "broker", CHART, "--namespace=wechat", "--kube-version=1.28.0", f"--values={values}", *more],
        capture_output=True, text=True,
    )


def by_helm4(values):
    chart = helm4.Chart.load(str(CHART))
    given = yaml.safe_load(values.read_text())
    chart.validate_schema(given)
    rendered = chart.render(given, name="broker", namespace="wechat")
    return documents("\n---\n".join(text for path, text in rendered.items() if path.endswith(".yaml")))


def name_of(document):
    return f"{document['kind']}/{document['metadata']['name']}"


def same(one, other):
    key = lambda found: sorted(json.dumps(document, sort_keys=True) for document in found)
    return key(one) == key(other)


def check_lint(values):
    ran = subprocess.run([HELM, "lint", "--strict", CHART, f"--values={values}"], capture_output=True, text=True)
    if ran.returncode:
        fail(f"{values.name}: helm 3 lint: {ran.stdout}{ran.stderr}")
    report = helm4.lint(str(CHART), yaml.safe_load(values.read_text()), strict=True, namespace="wechat", kube_version="v1.30.0")
    bad = [message for message in report["messages"] if message["severity"] >= 2] + report["errors"]
    if bad:
        fail(f"{values.name}: helm 4 lint: {bad}")


def check_schemas(where, found):
    operator = [document for document in found if document["apiVersion"].startswith("monitoring.coreos.com/")]
    for document in found:
        if document in operator:
            continue
        for version in KUBE:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except Exception as error:
                fail(f"{where}: {name_of(document)} for {version}: {str(error)[:500]}")
    if operator:
        ran = subprocess.run(["node", OPERATOR], input=json.dumps(operator), capture_output=True, text=True)
        if ran.returncode:
            fail(f"{where}: {ran.stdout}{ran.stderr}")


def pods(found):
    for document in found:
        if document["kind"] == "Deployment":
            yield document, document["spec"]["template"]["spec"]
        if document["kind"] == "Pod":
            yield document, document["spec"]


def check_restricted(where, found):
    """The Pod Security Standard "restricted", and a bit more."""
    for document, pod in pods(found):
        at = f"{where}: {name_of(document)}"
        context = pod["securityContext"]
        if not (context["runAsNonRoot"] and context["runAsUser"] > 0 and context["seccompProfile"]["type"] == "RuntimeDefault"):
            fail(f"{at}: the pod is not restricted")
        if pod["automountServiceAccountToken"] is not False:
            fail(f"{at}: mounts a token")
        if any(key in pod for key in ("hostNetwork", "hostPID", "hostIPC")) or any("hostPath" in v for v in pod.get("volumes", [])):
            fail(f"{at}: touches the host")
        for container in pod["containers"]:
            # Those that `extraContainers` adds are somebody else's.
            if "token-broker" not in container["image"]:
                continue
            own = container["securityContext"]
            if own["allowPrivilegeEscalation"] or not own["readOnlyRootFilesystem"] or own["capabilities"] != {"drop": ["ALL"]}:
                fail(f"{at}: {container['name']} is not restricted")


def check_secrets(where, values, found):
    given = yaml.safe_load(values.read_text())
    secrets = [document for document in found if document["kind"] == "Secret"]
    if given.get("existingSecret") and secrets:
        fail(f"{where}: renders a secret although one exists")
    if given.get("secrets"):
        text = json.dumps([document for document in found if document["kind"] != "Secret"])
        if any(secret in text for secret in given["secrets"].values()):
            fail(f"{where}: a secret is told outside the Secret")


def certificate(folder):
    """A certificate that signs itself, as a TLS secret has it."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=token-broker", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
        capture_output=True, check=True,
    )
    (folder / "ca.crt").write_bytes((folder / "tls.crt").read_bytes())


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", duration).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def check_config(where, values, found):
    """The broker itself reads what the chart renders, with its secrets where the pod would have them."""
    given = yaml.safe_load(values.read_text())
    config = next(document["data"]["token-broker.toml"] for document in found if document["kind"] == "ConfigMap" and "token-broker.toml" in document["data"])
    deployment, pod = next(pods([d for d in found if d["kind"] == "Deployment"]))
    read = __import__("tomllib").loads(config)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for app in read["apps"]:
            (folder / pathlib.Path(app["secret_file"]).name).write_text("0" * 32)
        scheme = "rediss" if "redis-tls" in {volume["name"] for volume in pod["volumes"]} else "redis"
        for name in (given.get("store", {}).get("urlKey"), "store-url"):
            (folder / (name or "store-url")).write_text(f"{scheme}://:password@redis:6379/0")
        (folder / "sealing-keys").write_text(f"new:{base64.b64encode(os.urandom(32)).decode()}\nold:{base64.b64encode(os.urandom(32)).decode()}\n")
        certificate(folder)
        mounted = re.compile(r"/run/secrets/[a-z-]+")
        (folder / "config.toml").write_text(mounted.sub(str(folder), config))
        environment = {"PATH": os.environ["PATH"]}
        for variable in pod["containers"][0]["env"]:
            environment[variable["name"]] = mounted.sub(str(folder), variable["value"])
        ran = subprocess.run(
            [binary("token-broker"), "check-config", "--config", folder / "config.toml"],
            capture_output=True, text=True, env=environment,
        )
        if ran.returncode:
            fail(f"{where}: the broker refuses the configuration:\n{ran.stderr}")
    server = read["server"]
    if pod["terminationGracePeriodSeconds"] < seconds(server["lame_duck"]) + 2 * seconds(server["drain"]):
        fail(f"{where}: is killed before it has stopped")
    embedded = read["store"]["kind"] == "embedded"
    if embedded and (deployment["spec"]["replicas"] != 1 or deployment["spec"]["strategy"]["type"] != "Recreate"):
        fail(f"{where}: two processes would open one file")
    mounts = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    if not mounts <= {volume["name"] for volume in pod["volumes"]} or ("data" in mounts) != embedded:
        fail(f"{where}: its volumes do not fit")
    policies = [document for document in found if document["kind"] == "NetworkPolicy"]
    for policy in policies:
        ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
        allowed = {53, 443} | (set() if embedded else {6379})
        if "networkPolicy" not in given and ports != allowed:
            fail(f"{where}: may go out to {ports}")


def check_rolling():
    """What running brokers take over does not roll them; all else does."""
    def annotation(*settings):
        ran = by_helm3(CHART / "ci" / "config-values.yaml", *(f"--set={setting}" for setting in settings))
        deployment = next(document for document in documents(ran.stdout) if document["kind"] == "Deployment")
        return deployment["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    before = annotation()
    for setting in ("apps[0].dailyLimit=300", "callers[0].id=payments", "config.refresh.at=0.6", "config.log.level=info"):
        if annotation(setting) != before:
            fail(f"{setting} rolls the brokers, which would take it over")
    for setting in ("config.server.workers=3", "config.store.pool_size=3", "config.upstream.timeout=3s", "config.log.format=json"):
        if annotation(setting) == before:
            fail(f"{setting} does not roll the brokers, which do not take it over")


MUST_FAIL = (
    ("embedded", ["replicaCount=2"], "replicaCount"),
    ("embedded", ["autoscaling.enabled=true"], "enabled"),
    ("minimal", ["existingSecret="], "existingSecret is missing"),
    ("minimal", ["secrets.a=b"], "not both"),
    ("minimal", ["callers=null"], "callers is empty"),
    ("minimal", ["metrics.podMonitor.enabled=true,metrics.serviceMonitor.enabled=true"], "counts twice"),
    ("minimal", ["callers[0].keys[0]=tbk_orders_secret"], "keys"),
    ("minimal", ["store.kind=sqlite"], "kind"),
    ("minimal", ["unknown=1"], "unknown"),
    ("minimal", ["config.store.url=redis://:password@redis"], "config.store"),
    ("minimal", ["config.server.drain=1s"], "config.server"),
    ("minimal", ["shutdown.drain=soon"], "drain"),
    ("minimal", ["apps[0].dailyLimit=3"], "dailyLimit"),
    ("minimal", ["apps[0].tickets[0]=card"], "tickets"),
    ("minimal", ["store.url=redis://:password@redis:6379/0"], "url"),
    ("minimal", ["store.url=redis+sentinel://sentinel:26379"], "url"),
    ("sentinel", ["store.tls.existingSecret=a"], "rediss"),
    ("minimal", ["store.tls.clientCertificate=true"], "store.tls.existingSecret"),
    ("embedded", ["store.url=redis://redis"], "about Redis"),
    ("minimal", ["config.server.tls_key_file=a"], "config.server"),
    ("minimal", ["config.store.ca_file=a"], "config.store"),
)


def main():
    kinds = set()
    for values in SETS:
        where = values.name
        check_lint(values)
        ran = by_helm3(values)
        if ran.returncode:
            fail(f"{where}: {ran.stderr}")
            continue
        found = documents(ran.stdout)
        with contextlib.redirect_stdout(io.StringIO()):
            other = by_helm4(values)
        if not same(found, other):
            fail(f"{where}: Helm 3 and Helm 4 render it differently")
        kinds |= {document["kind"] for document in found}
        for check in (check_schemas, check_restricted):
            check(where, found)
        check_secrets(where, values, found)
        check_config(where, values, found)
        names = [name_of(document) for document in found]
        if len(names) != len(set(names)):
            fail(f"{where}: two objects of one name")
        print(f"ok   {where}: {len(found)} objects")
    check_rolling()
    for base, settings, reason in MUST_FAIL:
        arguments = [f"--set={setting}" for setting in settings]
        ran = by_helm3(CHART / "ci" / f"{base}-values.yaml", *arguments)
        if ran.returncode == 0 or reason not in ran.stderr:
            fail(f"{base} with {settings}: is not refused for {reason!r}: {ran.stderr}")
    for path in sorted(KUBERNETES.glob("*.yaml")):
        if path.name not in ("values.yaml", "kustomization.yaml"):
            found = documents(path.read_text())
            check_schemas(path.name, found)
            check_restricted(path.name, found)
            print(f"ok   {path.name}: {len(found)} objects")
    print(f"{len(SETS)} sets of values, {len(MUST_FAIL)} refusals; kinds: {', '.join(sorted(kinds))}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
