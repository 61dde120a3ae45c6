"""A real Kubo node for tests: the `ipfs` on PATH, or one built once from its pinned source, and a daemon of it.

`python -m scripts.kubo` builds it where it has to be and can be; `make test` does that first. Standard library only.
"""

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.toolchain import TOOLCHAIN, ToolchainError, free_ports

VERSION = "v0.42.0"
CHECKSUM = "h1:mp40G/pAwckX54zJfIK3CTLK6S1Ae+Wa63g3I68W8cA="  # of the module's zip, as in a go.sum
OLDEST_GO = (1, 26, 4)

FOLDER = TOOLCHAIN / "kubo"
BUILT = FOLDER / f"ipfs-{VERSION}"
FAILURE = FOLDER / f"failed-{VERSION}"
"""Why the last build failed, in words; absent where it did not."""

MOST_BUILD_SECONDS = 600
_MOST_START_SECONDS = 60


class NoKubo(ToolchainError):  # noqa: N818 -- says what happened
    """There is no Kubo on this machine; the message says why."""


@dataclass
class Kubo:
    """A node that knows no other, with a repository of its own."""

    binary: Path
    home: Path
    port: int
    offline: bool
    _daemon: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def api(self) -> str:
        """The multiaddress of its RPC; the same after a restart."""
        return f"/ip4/127.0.0.1/tcp/{self.port}/http"

    @property
    def gateway(self) -> str:
        """The base URL of its gateway; another one after a restart."""
        return (self.home / "gateway").read_text().strip()

    def run(self, *arguments: str | Path, stdin: bytes = b"") -> bytes:
        """What `ipfs ARGUMENTS` prints, in this node's repository. Raises ToolchainError."""
        command = [str(self.binary), *map(str, arguments)]
        ran = subprocess.run(
            command, env=self._environment(), input=stdin, capture_output=True, check=False
        )
        if ran.returncode:
            raise ToolchainError(f"ipfs {arguments[0]}: {ran.stderr.decode(errors='replace')}")
        return ran.stdout

    def start(self) -> None:
        """Start the daemon and wait until it answers. Raises ToolchainError."""
        command = [str(self.binary), "daemon", *(["--offline"] if self.offline else [])]
        with (self.home / "daemon.log").open("wb") as log:
            self._daemon = subprocess.Popen(
                command,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _MOST_START_SECONDS
        while b"Daemon is ready" not in (log_text := (self.home / "daemon.log").read_bytes()):
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ToolchainError(
                    f"Kubo did not start: {log_text.decode(errors='replace')[-500:]}"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the daemon, if it runs; what it stored stays."""
        if self._daemon is None:
            return
        self._daemon.terminate()
        try:
            self._daemon.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()
        self._daemon = None

    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, "IPFS_PATH": str(self.home), "IPFS_TELEMETRY": "off"}


@contextlib.contextmanager
def kubo(*, offline: bool = True) -> Iterator[Kubo]:
    """A running node on a free port, stopped and removed when the block ends. Raises NoKubo.

    Without `offline` it asks its peers for blocks that it lacks, and waits for them: it has none.
    """
    binary = ipfs_binary()
    with tempfile.TemporaryDirectory(prefix="obbligato-kubo-") as home, free_ports() as port:
        node = Kubo(binary, Path(home), port, offline)
        node.run("init", "--profile=test")  # no bootstrap peers, loopback only
        node.run("config", "Routing.Type", "none")
        node.run("config", "Addresses.API", f"/ip4/127.0.0.1/tcp/{port}")
        try:
            node.start()
            yield node
        finally:
            node.stop()


def ipfs_binary() -> Path:
    """The `ipfs` on PATH, or the one that was built here. Raises NoKubo."""
    installed = shutil.which("ipfs")
    if installed is not None:
        return Path(installed)
    if BUILT.exists():
        return BUILT
    raise NoKubo(_why_none())


def _why_none() -> str:
    if shutil.which("go") is None:
        return "no Kubo: `ipfs` is not on PATH, and there is no Go to build it with"
    if FAILURE.exists():
        return f"no Kubo: {FAILURE.read_text().strip()}; `python -m scripts.kubo` tries again"
    return "no Kubo: build it with `python -m scripts.kubo` (minutes, once)"


# ---- building


def build() -> Path:
    """Build the pinned version into .toolchain; minutes of both cores, at low priority. Raises NoKubo.

    Nothing is written outside .toolchain: Go's caches are folders of this build and go with it. Why it
    failed is kept for the tests, which are skipped with that reason.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    FAILURE.unlink(missing_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="go-", dir=FOLDER) as caches:
            _built_with(_go(), Path(caches)).replace(BUILT)
    except NoKubo as error:
        FAILURE.write_text(f"building {VERSION} failed: {error}\n")
        raise
    return BUILT


def _built_with(go: str, caches: Path) -> Path:
    """The program, somewhere among the caches."""
    run = functools.partial(_run, caches, time.monotonic() + MOST_BUILD_SECONDS)
    module = json.loads(run(go, "mod", "download", "-json", f"github.com/ipfs/kubo@{VERSION}"))
    if module["Sum"] != CHECKSUM:
        raise NoKubo(f"its source has the checksum {module['Sum']}, not {CHECKSUM}")
    # Built in its own module, so that its own go.sum pins everything else.
    made = caches / "ipfs"
    run(go, "build", "-o", str(made), "./cmd/ipfs", folder=Path(module["Dir"]))
    return made


def _go() -> str:
    """The go command. Raises NoKubo where there is none, or only an older one."""
    go = shutil.which("go")
    if go is None:
        raise NoKubo("there is no Go on PATH")
    version = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    version_text = version.stdout.strip()
    if _version(version_text) < OLDEST_GO:
        due = ".".join(map(str, OLDEST_GO))
        raise NoKubo(
            f"{version_text or 'a Go that does not say its version'} is too old: {due} is needed"
        )
    return go


def _version(text: str) -> tuple[int, ...]:
    """`go1.26.4` as numbers; what follows a space or a letter says nothing about its age."""
    parts = text.removeprefix("go").split(" ")[0].split(".")
    return tuple(int(part) if part.isdecimal() else 0 for part in parts)


def _run(caches: Path, deadline: float, *command: str, folder: Path | None = None) -> str:
    """What the command prints. Raises NoKubo where it fails or is not done by the deadline."""
    environment = {
        **os.environ,
        "GOMODCACHE": str(caches / "modules"),
        "GOCACHE": str(caches / "objects"),
        "GOPATH": str(caches / "path"),
        "GOFLAGS": "-modcacherw -trimpath -buildvcs=false",  # writable, so that it can be removed
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }
    with subprocess.Popen(
        command,
        cwd=folder or caches,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=functools.partial(os.nice, 10),
    ) as process:
        try:
            out, errors = process.communicate(timeout=max(1, deadline - time.monotonic()))
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # the compilers that it started as well
            if isinstance(error, subprocess.TimeoutExpired):
                raise NoKubo(f"it took more than {MOST_BUILD_SECONDS} s") from None
            raise
    if process.returncode:
        raise NoKubo(f"`go {command[1]}` said: {errors.strip()[-500:] or out.strip()[-500:]}")
    return out


def main() -> None:
    """Build where nothing is there yet; where that cannot be, say why: only tests of Kubo need it."""
    with contextlib.suppress(NoKubo):
        print(f"Kubo: {ipfs_binary()}")
        return
    if shutil.which("go") is None:
        print(f"{_why_none()}: its tests will be skipped", file=sys.stderr)
        return
    print(f"building Kubo {VERSION} for its tests: two to five minutes, once", flush=True)
    start = time.monotonic()
    try:
        build()
    except NoKubo as error:
        print(f"no Kubo, its tests will be skipped: {error}", file=sys.stderr)
    else:
        print(f"Kubo: {BUILT}, built in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
