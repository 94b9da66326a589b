"""Git as an agent runs it in its repository of proposals."""

import os
import subprocess
from pathlib import Path

from attrs import frozen


@frozen
class Git:
    """Git as anybody runs it in `folder`, with all the bad habits that a configuration gives it."""

    folder: Path

    def __call__(self, *arguments: str, data: bytes = b"", check: bool = True) -> str:
        who = {
            f"GIT_{who}_{what}": "m@x"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        ended = subprocess.run(
            ("git", *arguments),
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": "/dev/null",
                "GIT_CONFIG_GLOBAL": "/dev/null",
                **who,
            },
            input=data,
            capture_output=True,
            timeout=60,
        )
        assert not check or ended.returncode == 0, ended.stderr
        return ended.stdout.decode().strip()

    def write(self, path: str, content: bytes | str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, **files: bytes | str) -> str:
        """Commit all that is there, and these files; the hash."""
        for path, content in files.items():
            self.write(path, content)
        self("add", "--all")
        self("commit", "--quiet", "--allow-empty", "-m", "a change")
        return self("rev-parse", "HEAD")

    def commit_tree(self, tree: str) -> str:
        return self("commit-tree", tree, "-m", "by hand")

    def tree(self, *entries: tuple[bytes, bytes, str]) -> str:
        """Write a tree object as it is given: modes, names, hashes."""
        raw = b"".join(
            mode + b" " + name + b"\0" + bytes.fromhex(one) for mode, name, one in entries
        )
        return self("hash-object", "-t", "tree", "-w", "--literally", "--stdin", data=raw)

    def blob(self, content: bytes) -> str:
        return self("hash-object", "-w", "--stdin", data=content)
