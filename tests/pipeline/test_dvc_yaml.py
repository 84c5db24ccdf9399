"""The pipeline file against the code: a stage depends on what decides its outputs, no more."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# Reads settings, opens files, reports or tracks: a change here must not retrain (see dvc.yaml).
PLUMBING = {
    "pipeline/installed.py",
    "pipeline/stage.py",
    "src/fsrcnn/device.py",
    "src/fsrcnn/errors.py",
    "src/fsrcnn/files.py",
    "src/fsrcnn/limits.py",
    "src/fsrcnn/mindspore/device.py",
    "src/fsrcnn/settings.py",
    "src/fsrcnn/system.py",
}


def imported(script: Path) -> set[Path]:
    """The project's own modules that a file imports, directly or not, itself included."""
    seen: set[Path] = set()
    todo = [script]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        if path.parent.name == "tracking":  # what it reads to log a model decides no output
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                relative = Path(*name.split(".")).with_suffix(".py")
                todo += [p for p in (ROOT / "src" / relative, ROOT / "pipeline" / relative) if p.exists()]
    return seen


def covers(dependency: str, path: str) -> bool:
    """Whether a dependency is the file, or a folder with it; ${framework} stands for either room."""
    found = re.escape(dependency).replace(re.escape("${framework}"), "(torch|mindspore)")
    return re.fullmatch(rf"{found}(/.*)?", path) is not None


@pytest.mark.parametrize("name", STAGES)
def test_code_dependencies(name):
    stage = STAGES[name].get("do", STAGES[name])
    listed = {dep for dep in stage["deps"] if dep.startswith(("src/", "pipeline/"))}
    script = ROOT / re.search(r"pipeline/\w+\.py", stage["cmd"])[0]
    reached = {str(path.relative_to(ROOT)) for path in imported(script)}
    needed = {path for path in reached if "/tracking/" not in path and not path.endswith("/__init__.py")}
    if "src/fsrcnn/export/wasm.py" in reached:  # which compiles what includes it
        needed.add("src/fsrcnn/compilers/vectors.h")
    # It waits for the device: in `benchmark`, part of the measurement.
    needed -= PLUMBING - ({"src/fsrcnn/device.py"} if name == "benchmark" else set())
    assert {path for path in needed if not any(covers(dep, path) for dep in listed)} == set()
    assert {dep for dep in listed if not any(covers(dep, path) for path in needed)} == set()


@pytest.mark.parametrize(("framework", "other"), [("torch", "mindspore"), ("mindspore", "torch")])
def test_one_framework_does_not_retrain_the_other(framework, other):
    for name in ("train", "finetune"):
        deps = STAGES[name].get("do", STAGES[name])["deps"]
        named = {dep.replace("${framework}", framework) for dep in deps}
        assert f"src/fsrcnn/{framework}" in named
        assert not any(dep.startswith(f"src/fsrcnn/{other}") for dep in named)


@pytest.mark.parametrize("name", STAGES)
def test_parameters_are_those_the_script_reads(name):
    stage = STAGES[name].get("do", STAGES[name])
    listed = {parameter.split(".")[0] for parameter in stage["params"]}
    source = (ROOT / re.search(r"pipeline/\w+\.py", stage["cmd"])[0]).read_text()
    read = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "params"
    }
    if "train" in read:  # as the chosen recipe has it
        read |= {"recipe", "recipes"}
        assert "recipes.${recipe}" in stage["params"]
    assert listed == read


def test_metrics_are_kept_in_git():
    for name, file in (("evaluate", "evaluate"), ("benchmark", "benchmark"), ("report", "train")):
        assert {f"metrics/{file}.json": {"cache": False}} in STAGES[name]["outs"]
    assert STAGES["report"]["metrics"] == [{"metrics/summary.json": {"cache": False}}]
