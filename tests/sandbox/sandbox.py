"""The provider sandbox: Linode, OVH and Route 53 on one loopback port, with a real name server that serves their zones.

    /usr/bin/python3 tests/sandbox/sandbox.py --port 0 --state-file /tmp/sandbox.json

It runs until SIGTERM or SIGINT, or until the process that started it is gone. It listens on loopback addresses only: the control
API has no credentials.
"""

import argparse
import json
import os
import signal
import sys
import time

sys.dont_write_bytecode = True  # it may run from a read-only checkout, and leaves nothing behind

from control import Control  # noqa: E402
from listener import make_server  # noqa: E402
from nameserver import NameServer, NameServerError, NoNameServer  # noqa: E402
from seed import default_seed, merged  # noqa: E402
from sites import Sites  # noqa: E402
from world import OPTIONS, World, option_problem  # noqa: E402

ADDRESS = "127.0.0.1"


def parse_arguments():
    parser = argparse.ArgumentParser(description="Linode, OVH and Route 53 on loopback, for tests and the demo.")
    parser.add_argument("--port", type=int, default=0, help="HTTP port on 127.0.0.1; 0 (default): choose")
    parser.add_argument("--dns-port", type=int, default=0, help="DNS port on 127.0.0.1, UDP and TCP; 0 (default): choose")
    parser.add_argument("--no-dns", action="store_true", help="no name server")
    parser.add_argument("--state-file", metavar="FILE", help='written when ready: {"url", "dns", "pid", "sites"}; removed at the end')
    parser.add_argument("--seed", metavar="FILE", help="zones, records and credentials as JSON instead of the built-in ones")
    parser.add_argument("--print-seed", action="store_true", help="print the built-in seed and exit")
    parser.add_argument("--site", metavar="NAME=ADDRESS:PORT", action="append", default=[], type=site_argument,
                        help="a web site with /healthz, such as gra=127.0.0.2:9001; may be repeated; those with port 0 share one chosen port")
    parser.add_argument("--outlive-parent", action="store_true", help="go on when the process that started it is gone")
    for name, default, allowed, text in OPTIONS:
        flag = "--" + name.replace("_", "-")
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_true", help=text)
        else:
            parser.add_argument(flag, type=type(default), default=default, choices=allowed, help="%s (default %r)" % (text, default))
    arguments = parser.parse_args()
    for name, _, _, _ in OPTIONS:
        problem = option_problem(name, getattr(arguments, name))
        if problem:
            parser.error(problem)
    return arguments


def site_argument(text):
    name, _, endpoint = text.partition("=")
    address, _, port = endpoint.rpartition(":")
    if not name or not address.startswith("127.") or not port.isdigit():
        raise argparse.ArgumentTypeError("%r is not NAME=127.x.y.z:PORT" % text)
    return name, address, int(port)


def read_seed(path):
    if path is None:
        return default_seed()
    with open(path, encoding="utf-8") as file:
        return merged(json.load(file))


def start_nameserver(arguments):
    if arguments.no_dns:
        return NoNameServer()
    nameserver = NameServer(ADDRESS)
    try:
        nameserver.start(arguments.dns_port)
    except BaseException:
        nameserver.stop()
        raise
    return nameserver


def write_state(path, state):
    """By rename, so that whoever waits for the file never reads half of it."""
    partial = "%s.%d" % (path, os.getpid())
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(state, file)
        file.write("\n")
    os.rename(partial, path)


def wait_for_end(told, nameserver, parent):
    """Why it ends. The parent is watched by its id, because a death signal would also come when only the starting thread ends."""
    while not told:
        time.sleep(0.1)
        if parent is not None and os.getppid() != parent:
            return "the process that started it is gone", 0
        if not nameserver.is_alive():
            return "the name server has ended by itself", 1
    return "told to stop", 0


def run(arguments, parent):
    seed = read_seed(arguments.seed)
    told = []  # no Event: a handler that comes while its lock is held waits for ever
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: told.append(number))
    nameserver, sites, server, wrote_state = start_nameserver(arguments), Sites(), None, False
    try:
        world = World(seed, {name: getattr(arguments, name) for name, _, _, _ in OPTIONS}, nameserver)
        sites.add_all(arguments.site)
        server = make_server(ADDRESS, arguments.port, world, Control(world, sites))
        server.start("providers")
        state = {"url": "http://%s:%d" % (ADDRESS, server.server_port), "dns": nameserver.endpoint, "pid": os.getpid(),
                 "sites": {name: site["address"] for name, site in sites.describe().items()}}
        if arguments.state_file:
            write_state(arguments.state_file, state)
            wrote_state = True
        print("sandbox ready: " + json.dumps(state), flush=True)
        reason, status = wait_for_end(told, nameserver, parent)
        if status:
            print("sandbox: " + reason, file=sys.stderr, flush=True)
        return status
    finally:
        if server is not None:
            server.stop()
        sites.stop()
        nameserver.stop()
        if wrote_state:
            remove_own_state(arguments.state_file)


def remove_own_state(path):
    try:
        with open(path, encoding="utf-8") as file:
            is_own = json.load(file).get("pid") == os.getpid()
        if is_own:
            os.unlink(path)
    except (OSError, ValueError):
        pass


def main():
    parent = os.getppid()
    arguments = parse_arguments()
    if arguments.print_seed:
        print(json.dumps(default_seed(), indent=1))
        return 0
    try:
        return run(arguments, None if arguments.outlive_parent else parent)
    except (OSError, ValueError, NameServerError) as error:
        print("sandbox: %s" % error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
