"""Write the golden files of what we write anew: ``python -m tests.contract.golden.write``, then read the diff."""

from __future__ import annotations

from tests.contract.golden.cases import CASES, OURS


def write() -> list[str]:
    """Write every file, remove those that no case makes any more, and answer the names of what changed."""
    OURS.mkdir(exist_ok=True)
    wanted = {case.path: case.text for case in CASES}
    changed = [path for path in OURS.glob("*.json") if path not in wanted]
    for path in changed:
        path.unlink()
    for path, text in wanted.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    return sorted(path.name for path in changed)


if __name__ == "__main__":
    print("\n".join(write()) or "nothing has changed")
