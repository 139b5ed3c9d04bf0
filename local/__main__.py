"""The command line of the local cluster: `make up`, `make down` and `make kubeconfig` call it, and so may you."""

import argparse
import sys
from pathlib import Path

from local import cluster, demo, nodeimages, paths, targets
from local.cluster import Cluster
from local.steps import StepFailedError, say, step


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a failed step is told in three lines, not in a traceback."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except StepFailedError as error:
        say(f"\nFailed: {error.step or options.command}\nWhy:    {error.why}\nDo:     {error.advice}")
    except KeyboardInterrupt:
        say("\nInterrupted. Run the same command again, or `python -m local down` to remove what was started.")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local", description="A local Kubernetes cluster of real parts.")
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default="agentos", help="which cluster (default: %(default)s)")
    up = commands.add_parser("up", parents=[common], help="bring the cluster up, or look whether it is")
    up.add_argument("--port", type=_port, default=8080, help="loopback port of the gateway (default: %(default)s)")
    up.add_argument("--bare", action="store_true", help="the cluster and its gateway only, no operator or example")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", parents=[common], help="end it and remove its state")
    down.set_defaults(run=_down)
    for command in (up, down):
        choices = ", ".join(targets.NAMES)
        text = f"{choices}; without it kind where Docker works, else local"
        command.add_argument("--target", default="", metavar="KIND", help=text)
    kubeconfig = commands.add_parser("kubeconfig", parents=[common], help="print the path of its kubeconfig")
    kubeconfig.set_defaults(run=_kubeconfig)
    load = commands.add_parser("load", parents=[common], help="put image archives into its node")
    load.add_argument("archives", nargs="+", type=Path, metavar="IMAGE_ARCHIVE")
    load.set_defaults(run=_load)
    prepare = commands.add_parser("prepare", help="install and build what it takes; it need not run")
    prepare.add_argument("images", nargs="*", metavar="IMAGE", help="images to build besides the cluster's own")
    prepare.set_defaults(run=_prepare)
    commands.add_parser("status", parents=[common], help="what of it runs").set_defaults(run=_status)
    return parser


def _port(text: str) -> int:
    """A TCP port; argparse tells the text of the error."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 1 to 65535")
    return int(text)


def _up(options: argparse.Namespace) -> int:
    target = targets.choose(options.target, options.name)
    if options.bare:
        target.up(options.port, ())
        say(f"  gateway     {target.gateway_url()}\n  kubeconfig  {target.kubeconfig}")
        return 0
    found = target.build_images(demo.IMAGES)
    target.up(options.port, found.values())
    with step("images where the nodes find them", quiet_below=1.0):
        found = target.load_images(found)
    print(demo.run(demo.Place(target.kubeconfig, options.port, lambda _: None), found), end="")
    return 0


def _prepare(options: argparse.Namespace) -> int:
    cluster.prepare(options.images)
    return 0


def _down(options: argparse.Namespace) -> int:
    target = targets.choose(options.target, options.name)
    target.down()
    if not options.target and not isinstance(target, targets.LocalTarget):
        targets.LocalTarget(options.name).down()  # what was started before Docker was there
    return 0


def _kubeconfig(options: argparse.Namespace) -> int:
    file = Cluster(options.name).kubeconfig
    if not file.exists():
        raise StepFailedError(f"there is no cluster {options.name}", "Start it with `python -m local up`.")
    print(file)
    return 0


def _load(options: argparse.Namespace) -> int:
    for archive in options.archives:
        nodeimages.load_archive(Cluster(options.name).machine, archive)
    return 0


def _status(options: argparse.Namespace) -> int:
    found = Cluster(options.name)
    if found.machine.init() is None:
        print(f"cluster {options.name} is down")
        return 1
    for name, part in sorted(found.machine.components().items()):
        print(f"{name:<26} {'pid ' + str(part['pid']) if part['pid'] else 'down':<10} ended {part['exits']} times")
    healthy = found.is_healthy()
    print(f"node {'Ready' if found.node_is_ready() else 'not ready'}, gateway http://127.0.0.1:{found.port}")
    print(f"logs and state in {paths.state(options.name)}")
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
