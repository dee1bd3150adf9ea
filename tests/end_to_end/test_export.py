"""The day the daemon itself is down: a script that it left behind moves the service."""

import os
import stat
import subprocess

from daemon import BINARY, SECRETS, configuration, wait_for

BY_HAND = {"LINODE_TOKEN": "LINODE_TOKEN", "OVH_APPLICATION_KEY": "OVH_AK", "OVH_APPLICATION_SECRET": "OVH_AS",
           "OVH_CONSUMER_KEY": "OVH_CK", "AWS_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
           "AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY"}
NAMES = ["shop-failback.sh", "shop-failover.sh", "shop.md"]


def by_hand(path, *arguments, secrets=True):
    environment = {"PATH": os.environ["PATH"]}
    environment.update({name: SECRETS[of] for name, of in BY_HAND.items()} if secrets else {})
    return subprocess.run(["dash", path, *arguments], env=environment, stdin=subprocess.DEVNULL, text=True, capture_output=True,
                          timeout=120, check=False)


def test_the_script_moves_the_service_when_the_daemon_is_down(make_daemon, sandbox, tmp_path):
    config = configuration(sandbox)
    config["server"]["export"] = "break-glass"
    config["services"]["shop"]["readiness"] = {"every": "10s"}
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    folder = os.path.join(daemon.folder, "break-glass")
    wait_for(lambda: os.path.isdir(folder) and sorted(os.listdir(folder)) == NAMES, 60, "the files")
    assert stat.S_IMODE(os.stat(os.path.join(folder, "shop-failover.sh")).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(os.path.join(folder, "shop.md")).st_mode) == 0o600
    # the same from the API
    there = tmp_path / "there"
    done = subprocess.run([BINARY, "export", "shop", "--to-dir", str(there), "--url", daemon.api], env=dict(os.environ, **SECRETS),
                          text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0 and sorted(os.listdir(there)) == NAMES, done
    daemon.stop()
    for name in NAMES:
        text = (there / name).read_text()
        assert not [secret for secret in SECRETS.values() if secret in text]
        if name.endswith(".sh"):
            assert subprocess.run(["shellcheck", str(there / name)], check=False).returncode == 0
    script = os.path.join(folder, "shop-failover.sh")
    assert by_hand(script, "--yes", secrets=False).returncode == 2
    assert by_hand(script).returncode == 1  # nobody said yes
    done = by_hand(script, "--yes")
    assert done.returncode == 0, done
    assert done.stdout.count("written, and read back") == 3
    again = by_hand(script, "--yes")
    assert again.returncode == 0 and again.stdout.count("it is so already") == 3 and "written" not in again.stdout
    back = by_hand(os.path.join(folder, "shop-failback.sh"), "--yes")
    assert back.returncode == 0, back
    assert back.stdout.count("written, and read back") == 3
