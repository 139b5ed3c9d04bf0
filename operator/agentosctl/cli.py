"""The command line's index: what the arguments are and which function answers each command."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TextIO, TypeAlias

from agentosctl import duration, lines, retained, rollout, rotate, status, token
from agentosctl.cluster import Cluster, connect
from agentosctl.errors import CliError, Invalid

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Connect = Callable[[str | None, str | None], Cluster]

HOW_TO_SIGN = """\
Print a token for a workspace's agents, signed with the workspace's own secret. You need the right to get Secrets in the
workspace's namespace. The token is a password until it expires: do not put it into files or logs.

  curl -H "Authorization: Bearer $(agentosctl token acme --user alice --scope agents:run)" \\
       -F message=Hello -F stream=false http://support--acme.agents.localhost:8080/agents/support/runs
"""

HOW_TO_ROTATE = """\
Ask the operator to replace the workspace's database login and signing secret, or one of them. Nothing is interrupted:
runtimes are replaced one by one, and tokens that were signed before stay valid until they expire, which the signing
secret's rotation waits for. You need the right to patch Workspaces.
"""


HOW_TO_VALIDATE = """\
Check AgentDeployments and Workspaces as the API server and the operator would, and print a line for each problem. No
cluster is asked. The exit code is 1 when there is a problem.
"""

HOW_TO_UNDO = """\
Have the spec of an AgentDeployment say what an earlier revision said; the operator rolls it out as it does any change.
Number of pods, routing and suspension stay as they are. You need the right to patch AgentDeployments. Where Helm or a
GitOps tool applies the spec, it will put its own back: undo the change there.
"""


def main(argv: Sequence[str] | None = None, *, connect: Connect = connect) -> int:
    """Run one command; 0 when it worked, 1 when it did not, 2 for arguments that mean nothing."""
    options = build_parser().parse_args(argv)
    try:
        sys.stdout.write(options.command(options, lambda: connect(options.kubeconfig, options.context)))
        sys.stdout.flush()
    except Invalid as error:
        sys.stdout.write(str(error))
        return 1
    except CliError as error:
        sys.stderr.write(f"{_program()}: {error}\n")
        return 1
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return 130
    return 0


def _program() -> str:
    """What the person typed: kubectl starts its plugins as kubectl-<name>."""
    name = Path(sys.argv[0]).name
    return "kubectl agentos" if name == "kubectl-agentos" else "agentosctl"


def build_parser() -> argparse.ArgumentParser:
    """All commands with their arguments; each leaves its function in `command`."""
    top = argparse.ArgumentParser(
        prog=_program(),
        description="Look at workspaces, sign tokens for them, renew their credentials, check resources, and go back.",
    )
    _cluster_flags(top, default=None)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("status", help="show what exists, as a tree", description="Show what exists, as a tree.")
    one.add_argument("workspace", nargs="?", help="name of a Workspace; all of them when left out")
    one.set_defaults(command=_status)

    _token_command(commands)

    text = "list the data of Workspaces that were deleted with Retain"
    one = commands.add_parser("retained", help=text, description=f"{text.capitalize()}.")
    one.add_argument(
        "-n",
        "--namespace",
        metavar="NAME",
        default="agentos-system",
        help="namespace of the operator (default: agentos-system)",
    )
    one.add_argument("-o", "--output", choices=("table", "json"), default="table", help="form of the answer")
    one.set_defaults(command=_retained)

    one = commands.add_parser("rotate", help="replace a workspace's credentials", description=HOW_TO_ROTATE)
    one.add_argument("workspace", help="name of the Workspace")
    one.add_argument("--database", action="store_true", help="only the database login")
    one.add_argument("--jwt", action="store_true", help="only the secret that signs tokens")
    one.add_argument("--wait", action="store_true", help="return when nothing uses the earlier credentials any more")
    one.set_defaults(command=_rotate)

    _validate_command(commands)

    text = "show and undo what was rolled out"
    one = commands.add_parser("rollout", help=text, description=f"{text.capitalize()}.")
    nested = _rollout_commands(one)

    for command in (*commands.choices.values(), *nested.choices.values()):
        # Also behind the command, as kubectl allows; left out there, the value before the command stays.
        _cluster_flags(command, default=argparse.SUPPRESS)
    return top


def _token_command(commands: Commands) -> None:
    one = commands.add_parser(
        "token",
        help="print a short-lived token",
        description=HOW_TO_SIGN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("workspace", help="name of the Workspace")
    one.add_argument("--user", required=True, metavar="NAME", help="who the token speaks for (claim sub)")
    one.add_argument(
        "--scope",
        required=True,
        action="append",
        metavar="SCOPE",
        help="what it allows, such as agents:run or sessions:read; may be given several times",
    )
    one.add_argument(
        "--ttl",
        type=_ttl,
        metavar="TIME",
        help="how long it is valid, such as 90s, 15m or 8h; at most what the workspace allows (default: 15m)",
    )
    one.set_defaults(command=_token)


def _validate_command(commands: Commands) -> None:
    text = "check resources in files, without a cluster"
    one = commands.add_parser("validate", help=text, description=HOW_TO_VALIDATE)
    one.add_argument(
        "-f",
        "--file",
        required=True,
        action="append",
        type=_files,
        metavar="FILE",
        help="a YAML file, a folder of them, or - for standard input; may be given several times",
    )
    one.set_defaults(command=_validate)


def _rollout_commands(parser: argparse.ArgumentParser) -> Commands:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    text = "list the revisions of an AgentDeployment, or show one"
    one = commands.add_parser("history", help=text, description=f"{text.capitalize()}.")
    one.add_argument("--revision", type=int, metavar="NUMBER", help="show the spec of this one, as YAML")
    one.add_argument("--diff", action="store_true", help="with --revision: show what going back to it would change")
    one.set_defaults(command=_rollout_history)

    one = commands.add_parser(
        "undo",
        help="go back to an earlier revision",
        description=HOW_TO_UNDO,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("--to-revision", type=int, metavar="NUMBER", help="which one (default: the one before)")
    one.set_defaults(command=_rollout_undo)

    text = "wait until the newest revision answers"
    one = commands.add_parser("status", help=text, description=f"{text.capitalize()}; fails when it cannot.")
    one.add_argument("--timeout", type=_ttl, metavar="TIME", help="give up after this long, such as 90s or 5m")
    one.set_defaults(command=_rollout_status)
    for command in commands.choices.values():
        command.add_argument("deployment", type=_place, metavar="WORKSPACE/NAME", help="such as acme/support")
    return commands


def _cluster_flags(parser: argparse.ArgumentParser, default: str | None) -> None:
    text = "kubeconfig to use instead of KUBECONFIG or ~/.kube/config"
    parser.add_argument("--kubeconfig", metavar="FILE", default=default, help=text)
    parser.add_argument("--context", metavar="NAME", default=default, help="context of it instead of the current one")


def _ttl(text: str) -> timedelta:
    try:
        return duration.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _files(argument: str) -> list[str]:
    from agentosctl import documents  # noqa: PLC0415 - YAML, which no other command needs

    try:
        return documents.files(argument)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _place(text: str) -> rollout.Place:
    try:
        return rollout.parse_place(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _validate(options: argparse.Namespace, cluster: Callable[[], Cluster]) -> str:  # noqa: ARG001 - asks none
    from agentosctl import documents  # noqa: PLC0415 - as above
    from agentosctl.validate import validate  # noqa: PLC0415 - as above

    named = dict.fromkeys(file for given in options.file for file in given)
    return validate(document for file in named for document in documents.read(file))


def _rollout_history(options: argparse.Namespace, cluster: Callable[[], Cluster]) -> str:
    if options.diff and options.revision is None:
        raise CliError("--diff needs --revision")
    found = rollout.gather(cluster(), options.deployment)
    if options.revision is None:
        return rollout.history(found)
    revision = found.revision(options.revision)
    return rollout.difference(found, revision) if options.diff else rollout.document(revision.spec)


def _rollout_undo(options: argparse.Namespace, cluster: Callable[[], Cluster]) -> str:
    return rollout.undo(cluster(), options.deployment, options.to_revision)


def _rollout_status(options: argparse.Namespace, cluster: Callable[[], Cluster]) -> str:
    return rollout.wait(cluster(), options.deployment, options.timeout, lambda text: sys.stderr.write(f"{text}\n"))


def _token(options: argparse.Namespace, cluster: Callable[[], Cluster]) -> str:
    wish = token.Wish(options.workspace, options.user, tuple(options.scope), options.ttl)
    token.check(wish)
    return token.mint(cluster(), wish, int(time.time())) + "\n"


def _rotate(options: argparse.Namespace, cluster: Callable[[], Cluster]) -> str:
    fields = tuple(name for name, flag in (("database", options.database), ("auth", options.jwt)) if flag)
    asked = rotate.Asked(options.workspace, f"{time.time_ns()}", fields or ("database", "auth"))
    connected = cluster()
    said = rotate.ask(connected, asked)
    if not options.wait:
        return said
    sys.stderr.write(said)
    return rotate.wait(connected, asked, lambda text: sys.stderr.write(f"{text}\n"), time.sleep)


def _status(options: argparse.Namespace, cluster: Callable[[], Cluster]) -> str:
    name = options.workspace
    found = [status.gather(cluster(), name)] if name else status.gather_all(cluster())
    if not found:
        return "There are no workspaces.\n"
    return lines.render([status.tree(one) for one in found], style_of(sys.stdout))


def _retained(options: argparse.Namespace, cluster: Callable[[], Cluster]) -> str:
    entries = retained.gather(cluster(), options.namespace)
    return retained.document(entries) if options.output == "json" else retained.table(entries)


def style_of(stream: TextIO) -> lines.Style:
    """Colours only where a person looks (and not where NO_COLOR asks for none), lines only where they can be shown."""
    colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    try:
        "├└│─".encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return lines.Style(colour, unicode=False)
    return lines.Style(colour)
