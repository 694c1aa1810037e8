"""packages: the Debian packages that tools/packages.sh unpacks instead of installing, since they exclude one another."""
import pathlib, subprocess

from processes import CannotStart

ROOT = pathlib.Path(__file__).resolve().parent.parent


def unpacked(name):
    """The folder in which the package and what it needs lie as in /; fetched now if that was not done yet."""
    folder = ROOT / "build-packages" / name
    if not (folder / "complete").exists():
        done = subprocess.run([str(ROOT / "tools" / "packages.sh"), "unpack", name], capture_output=True, text=True)
        if done.returncode != 0:
            raise CannotStart(f"{name}: {(done.stderr + done.stdout).strip()[-300:]}")
    return folder
