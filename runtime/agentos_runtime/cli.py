"""`agentos-runtime serve|migrate|verify-isolation`: the entrypoint of the image, and of a laptop."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from agentos_runtime import termination
from agentos_runtime.errors import EXIT_CONFIG, StartupError
from agentos_runtime.settings import Environ, Settings, settings_from
from agentos_spec import SpecError, load_spec


def main(argv: Sequence[str] | None = None, environ: Environ = os.environ) -> int:
    """Run a command; the exit code is 78 where something has to be changed before it can work."""
    options = _parser().parse_args(argv)
    log = Path(environ.get("AGENTOS_TERMINATION_LOG") or termination.DEFAULT)
    try:
        if options.command == "verify-isolation":
            from agentos_runtime.isolation.verify import verify  # noqa: PLC0415 - what only a probe needs

            return verify(environ, log)
        return _serve(options, environ) if options.command == "serve" else _migrate(environ)
    except (StartupError, SpecError) as error:
        termination.report(error, log)
        return EXIT_CONFIG


def _serve(options: argparse.Namespace, environ: Environ) -> int:
    settings = settings_from(environ, spec_file=options.file, host=options.host, port=options.port)
    spec = load_spec(settings.spec_file)
    if settings.laptop and settings.auth.generated:
        _welcome(settings, spec.agents[0].id)
    from agentos_runtime.server import serve  # noqa: PLC0415 - a broken spec is reported before anything heavy

    serve(settings, spec, environ)
    return 0


def _migrate(environ: Environ) -> int:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agentos-runtime", description="Serves the agents of an AgentDeployment.")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve the agents of a spec")
    serve.add_argument("-f", "--file", type=Path, help="the AgentDeployment document (default: AGENTOS_SPEC_FILE)")
    serve.add_argument("--host", help="address to listen on (default: loopback on a laptop, all in a pod)")
    serve.add_argument("--port", type=int, default=7777)
    commands.add_parser("migrate", help="bring the workspace's schema to this version and exit")
    commands.add_parser("verify-isolation", help="try what no tenant may do; started by the operator as a pod")
    return parser
