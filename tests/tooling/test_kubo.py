"""Building Kubo where that cannot work: it says why, leaves nothing behind, and stops nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import kubo

Go = Callable[[str], None]

GOOD_ENOUGH = 'if [ "$1" = env ]; then echo go1.27.0; exit; fi\n'


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    """Makes `go` a shell script, the only program on PATH besides the system's, and the folder an empty one."""
    programs, folder = tmp_path / "programs", tmp_path / "kubo"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(kubo, "FOLDER", folder)
    monkeypatch.setattr(kubo, "BUILT", folder / "ipfs")
    monkeypatch.setattr(kubo, "FAILURE", folder / "failed")

    def write(script: str) -> None:
        (programs / "go").write_text(f"#!/bin/sh\n{script}\n")
        (programs / "go").chmod(0o755)

    return write


@pytest.fixture
def no_ipfs(go: Go) -> None:
    try:
        found = kubo.ipfs_binary()
    except kubo.NoKubo:
        return
    pytest.skip(f"{found} is among the system's own programs")


@pytest.mark.usefixtures("no_ipfs")
def test_without_go_there_is_none_and_that_is_no_failure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kubo.main()
    assert "there is no Go to build it with: its tests will be skipped" in capsys.readouterr().err


@pytest.mark.usefixtures("no_ipfs")
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (GOOD_ENOUGH + "echo 'no such module' >&2; exit 1", "`go mod` said: no such module"),
        (GOOD_ENOUGH + """echo '{"Sum": "h1:other", "Dir": "/"}'""", "has the checksum h1:other"),
        (GOOD_ENOUGH + "sleep 600", "it took more than 1 s"),
        ("echo go1.26.3", "go1.26.3 is too old: 1.26.4 is needed"),
        ("echo go1.9", "go1.9 is too old"),
        ("exit 1", "a Go that does not say its version is too old"),
    ],
)
def test_a_build_that_fails_says_why_then_and_to_every_test(
    go: Go,
    script: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    go(script)
    monkeypatch.setattr(kubo, "MOST_BUILD_SECONDS", 1)
    kubo.main()
    assert reason in capsys.readouterr().err
    with pytest.raises(kubo.NoKubo, match="tries again") as failed, kubo.kubo():
        pass
    assert reason in str(failed.value)
    assert list(kubo.FOLDER.iterdir()) == [kubo.FAILURE]


@pytest.mark.usefixtures("no_ipfs")
def test_a_build_that_succeeds_forgets_the_failure_before_it(
    go: Go, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    go(GOOD_ENOUGH + "exit 1")
    kubo.main()
    assert kubo.FAILURE.exists()
    # `go mod download` tells where the source is; `go build -o FILE` writes the program.
    scenario = f'{{"Sum": "{kubo.CHECKSUM}", "Dir": "{tmp_path}"}}'
    go(GOOD_ENOUGH + f"""if [ "$1" = mod ]; then echo '{scenario}'; else echo program > "$3"; fi""")
    kubo.main()
    assert list(kubo.FOLDER.iterdir()) == [kubo.ipfs_binary()]
    assert kubo.ipfs_binary().read_text() == "program\n"
    assert "built in" in capsys.readouterr().out
