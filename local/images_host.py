"""How this machine reaches package registries, in a form that `local.images` can give to a build.

A build mounts these files for one step each. They are never part of an image, and the checkout names no
registry.
"""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

CA_IN_BUILD = "/run/secrets/ca"
_PIP_SETTINGS = (
    "index-url",
    "extra-index-url",
    "trusted-host",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
)
_APT_SETTINGS = re.compile(r'^Acquire::(https?(::[^ ]+)?::Proxy|Retries|Check-(Valid-Until|Date)) "[^"]*";$')
_CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def ca_bundle() -> Path | None:
    """The certificate authorities that this machine trusts, if it keeps them in one file."""
    named = [Path(value) for name in _CA_VARIABLES if (value := os.environ.get(name))]
    return next((path for path in [*named, _CA_BUNDLE] if path.is_file()), None)


def pip_configuration(listing: str, *, with_ca: bool) -> str:
    """A pip.conf for a build, from what `pip config list` prints here; it names no local file."""
    values: dict[str, str] = {}
    for line in listing.splitlines():
        name, _, quoted = line.partition("=")
        setting = name.rpartition(".")[2].replace("_", "-")
        if setting in _PIP_SETTINGS and name.startswith(("global.", ":env:.", "install.")):
            values[setting.removeprefix("default-")] = str(ast.literal_eval(quoted))
    if with_ca:
        values["cert"] = CA_IN_BUILD
    return "[global]\n" + "".join(f"{name} = {_indented(value)}\n" for name, value in sorted(values.items()))


def _indented(value: str) -> str:
    return "\n    ".join(value.split())


def apt_configuration(dump: str, *, with_ca: bool) -> str:
    """The part of `apt-config dump` that says how to reach mirrors."""
    lines = [line for line in dump.splitlines() if _APT_SETTINGS.match(line)]
    if with_ca:
        lines.append(f'Acquire::https::CAInfo "{CA_IN_BUILD}";')
    return "".join(f"{line}\n" for line in lines)


def mirror(sources: Iterable[str], codename: str) -> str | None:
    """The Debian mirror that package sources name for the release `codename`, None without one."""
    suites = {codename, "stable", "testing", "unstable", "sid"} - {""}
    for text in sources:
        for uri, suite, components in [*_one_line(text), *_deb822(text)]:
            if suite in suites and "main" in components and re.match(r"https?://", uri):
                return uri.rstrip("/")
    return None


def _one_line(text: str) -> list[tuple[str, str, list[str]]]:
    """`deb [options] URI SUITE COMPONENT...`"""
    found = re.findall(r"(?m)^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)$", text)
    return [(uri, suite, components.split()) for uri, suite, components in found]


def _deb822(text: str) -> list[tuple[str, str, list[str]]]:
    """Stanzas of `Types:`, `URIs:`, `Suites:` and `Components:`."""
    found = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = {name.lower(): value.split() for name, value in re.findall(r"(?m)^([A-Za-z-]+):[ \t]*(.*)$", stanza)}
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
            pairs = ((uri, suite) for uri in fields.get("uris", []) for suite in fields.get("suites", []))
            found += [(uri, suite, fields.get("components", [])) for uri, suite in pairs]
    return found


def host_mirror() -> str | None:
    """This machine's own Debian mirror; None on another distribution."""
    release = _read(Path("/etc/os-release"))
    fields = dict(re.findall(r'(?m)^(\w+)="?([^"\n]*)', release))
    if fields.get("ID") != "debian":
        return None
    folder = Path("/etc/apt/sources.list.d")
    files = [Path("/etc/apt/sources.list"), *sorted(folder.glob("*.list")), *sorted(folder.glob("*.sources"))]
    return mirror([_read(path) for path in files], fields.get("VERSION_CODENAME", ""))


def write_secrets(folder: Path, suite: str) -> dict[str, Path]:
    """Write the files that a build may be given, and return them by the ids that the Dockerfiles use."""
    bundle = ca_bundle()
    secrets = {"ca": bundle} if bundle else {}
    with_ca = bundle is not None
    texts = {
        "pip": pip_configuration(_output(sys.executable, "-m", "pip", "config", "list"), with_ca=with_ca),
        "apt": apt_configuration(_output("apt-config", "dump"), with_ca=with_ca),
    }
    if found := host_mirror():
        texts["sources"] = f"deb {found} {suite} main\n"
    for name, text in texts.items():
        secrets[name] = folder / name
        secrets[name].write_text(text)
        secrets[name].chmod(0o600)
    return secrets


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _output(*command: str) -> str:
    """What a command prints, nothing when this machine lacks it."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
