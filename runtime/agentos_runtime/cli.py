"""`agentos-runtime serve|chat|migrate|verify-isolation`: the entrypoint of the image, and of a laptop."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from agentos_runtime import termination
from agentos_runtime.errors import EXIT_CONFIG, Reason, StartupError
from agentos_runtime.settings import Environ, Settings, settings_from
from agentos_spec import Spec, SpecError, load_spec


def main(argv: Sequence[str] | None = None, environ: Environ = os.environ) -> int:
    """Run a command; the exit code is 78 where something has to be changed before it can work."""
    options = _parser().parse_args(argv)
    try:
        return _COMMANDS[options.command](options, environ)
    except (StartupError, SpecError) as error:
        termination.report(error, _log(environ))
        return EXIT_CONFIG


def _log(environ: Environ) -> Path:
    """Where a pod's last words go."""
    return Path(environ.get("AGENTOS_TERMINATION_LOG") or termination.DEFAULT)


def _serve(options: argparse.Namespace, environ: Environ) -> int:
    settings = settings_from(environ, spec_file=options.file, host=options.host, port=options.port)
    if options.reload:
        return _serve_again(settings, environ)
    spec = load_spec(settings.spec_file)
    if settings.laptop and settings.auth.generated:
        _welcome(settings, spec.agents[0].id)
    return _run(settings, spec, environ)


def _run(settings: Settings, spec: Spec, environ: Environ) -> int:
    from agentos_runtime.server import serve  # noqa: PLC0415 - a broken spec is reported before anything heavy

    serve(settings, spec, environ)
    return 0


def _serve_again(settings: Settings, environ: Environ) -> int:
    """All processes take the same development token, which is printed once."""
    _only_on_a_laptop(settings, "--reload")
    from agentos_runtime.reload import serve_again  # noqa: PLC0415 - a laptop only

    try:
        agent = load_spec(settings.spec_file).agents[0].id
    except SpecError:
        agent = "AGENT"  # the first process says what is wrong
    if settings.auth.generated:
        _welcome(settings, agent)
    return serve_again(partial(_again, settings, dict(environ)), settings.spec_file)


def _again(settings: Settings, environ: Environ) -> int:
    """One of the processes of `--reload`."""
    try:
        return _run(settings, load_spec(settings.spec_file), environ)
    except (StartupError, SpecError) as error:
        sys.stderr.write(f"{error}\nWaiting for the document to change.\n")
        return EXIT_CONFIG


def _chat(options: argparse.Namespace, environ: Environ) -> int:
    settings = settings_from(environ, spec_file=options.file)
    _only_on_a_laptop(settings, "chat")
    spec = load_spec(settings.spec_file)
    from agentos_runtime.chat import chat  # noqa: PLC0415 - as above

    return chat(settings, spec, environ, name=options.name, session=options.session)


def _only_on_a_laptop(settings: Settings, what: str) -> None:
    if not settings.laptop:
        raise StartupError(Reason.INVALID_SETTINGS, f"{what} is for a laptop; unset AGENTOS_WORKSPACE to be one")


def _verify_isolation(_: argparse.Namespace, environ: Environ) -> int:
    from agentos_runtime.isolation.verify import verify  # noqa: PLC0415 - what only a probe needs

    return verify(environ, _log(environ))


def _migrate(_: argparse.Namespace, environ: Environ) -> int:
    settings = settings_from(environ, spec_file=Path())
    from agentos_runtime.database.prepare import prepare  # noqa: PLC0415 - as above
    from agentos_runtime.server import configure_logs  # noqa: PLC0415 - as above

    configure_logs(settings)
    prepare(settings.database)
    return 0


def _welcome(settings: Settings, agent: str) -> None:
    """The token of a laptop's process, printed once and kept nowhere."""
    from agentos_runtime.auth.development import development_token  # noqa: PLC0415 - a laptop only

    token = development_token(settings)
    url = f"http://{settings.host}:{settings.port}/agents/{agent}/runs"
    sys.stderr.write(
        f"Development token, valid 24 hours, for this process only:\n{token}\n\n"
        f'  curl {url} -H "Authorization: Bearer $TOKEN" \\\n'
        "    -F message='Hello' -F stream=false\n\n"
    )


_COMMANDS: dict[str, Callable[[argparse.Namespace, Environ], int]] = {
    "serve": _serve,
    "chat": _chat,
    "migrate": _migrate,
    "verify-isolation": _verify_isolation,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agentos-runtime", description="Serves the agents of an AgentDeployment.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve the agents of a spec")
    serve.add_argument("-f", "--file", type=Path, help="the AgentDeployment document (default: AGENTOS_SPEC_FILE)")
    serve.add_argument("--host", help="address to listen on (default: loopback on a laptop, all in a pod)")
    serve.add_argument("--port", type=int, default=7777)
    serve.add_argument("--reload", action="store_true", help="start anew when the document changes (laptop)")
    chat = commands.add_parser("chat", help="talk to an agent, team or workflow of a spec in the terminal (laptop)")
    chat.add_argument("-f", "--file", type=Path, help="the AgentDeployment document (default: AGENTOS_SPEC_FILE)")
    chat.add_argument("--session", help="id of the conversation to begin or to continue (default: chat-NAME)")
    chat.add_argument("name", nargs="?", help="id of whom to talk to (default: the first agent)")
    commands.add_parser("migrate", help="bring the workspace's schema to this version and exit")
    commands.add_parser("verify-isolation", help="try what no tenant may do; started by the operator as a pod")
    return parser
