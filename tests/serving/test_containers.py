"""The Dockerfile and compose.yaml against what they name: options, files, ports, services, extras."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from mlflow.cli import server as mlflow_server

from fsrcnn.cli import argument_parser
from fsrcnn.serving.server import GRACE, TOKEN

ROOT = Path(__file__).resolve().parents[2]
LINES = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text()).splitlines()
DOCKERFILE = [line.split(maxsplit=1) for line in LINES if line and not line.startswith("#")]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
(MLFLOW,) = re.findall(r"^mlflow==\S+", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
OURS = ("fsrcnn", "champion")


def instruction(name):
    return [rest for kind, rest in DOCKERFILE if kind == name]


@pytest.mark.parametrize("name", OURS)
def test_our_services_are_commands_that_we_know(name):
    program, *arguments = [*json.loads(instruction("ENTRYPOINT")[0]), *SERVICES[name].get("command", ())]
    assert program == "fsrcnn"
    options = argument_parser().parse_args(arguments)
    assert (options.host, options.port) == ("0.0.0.0", int(instruction("EXPOSE")[0]))
    assert f"127.0.0.1:{options.port}/healthz" in instruction("HEALTHCHECK")[0]
    assert [port.split(":")[2] for port in SERVICES[name]["ports"]] == [str(options.port)]
    assert TOKEN in SERVICES[name]["environment"]
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > GRACE
    needed = options.model is not None
    packages = SERVICES[name]["build"]["args"]["PACKAGES"] if needed else ""
    assert packages == (MLFLOW if needed else "")


def test_the_image_holds_what_it_is_built_of():
    patterns = (ROOT / ".dockerignore").read_text().split()
    kept = {pattern[1:] for pattern in patterns if pattern[0] == "!"}
    assert patterns[0] == "*"
    assert all((ROOT / name).exists() for name in kept)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"src", "pyproject.toml", "setup.py", project["readme"], *project["license-files"]} <= kept
    (installed,) = [line for line in instruction("RUN") if "pip install" in line]
    (extras,) = re.findall(r'"/source\[(.*)\]"', installed)
    assert set(extras.split(",")) <= project["optional-dependencies"].keys()
    assert {kind for kind, _ in DOCKERFILE} <= {
        "FROM", "RUN", "COPY", "ARG", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT",
    }  # fmt: skip


def test_mlflow_and_its_database():
    program, command, *arguments = SERVICES["mlflow"]["command"]
    assert (program, command) == ("mlflow", "server")
    options = mlflow_server.make_context("server", arguments).params
    assert options["host"] == "0.0.0.0"
    database = SERVICES["postgres"]["environment"]
    found = re.fullmatch(
        r"postgresql\+psycopg2://(.+):(\$\{.+\})@postgres/(.+)", options["backend_store_uri"]
    ).groups()
    assert found == (database["POSTGRES_USER"], database["POSTGRES_PASSWORD"], database["POSTGRES_DB"])
    store = SERVICES["champion"]["environment"]["MLFLOW_TRACKING_URI"]
    assert store == f"http://mlflow:{options['port']}"
    assert store.removeprefix("http://") in options["allowed_hosts"].split(",")
    assert options["artifacts_destination"] in [v.split(":")[1] for v in SERVICES["mlflow"]["volumes"]]
    assert f"{MLFLOW} " in SERVICES["mlflow"]["build"]["dockerfile_inline"]


def test_services_name_each_other_and_publish_on_this_machine_alone():
    for service in SERVICES.values():
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[other]
        assert {volume.split(":")[0] for volume in service.get("volumes", ())} <= COMPOSE["volumes"].keys()
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        assert ("image" in service) != ("build" in service)
