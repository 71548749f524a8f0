"""What pages may do and what kernels hand to them: text stays text, other files stay here."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from view_page import ROOT, STATIC, open_view

import vidlab as vl

# What makes code or elements of a text.
MAKES_CODE = re.compile(
    r"\beval\(|\bFunction\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc"
    r"|DOMParser|createContextualFragment|setHTMLUnsafe|javascript:|set(?:Timeout|Interval)\([\"'`]"
)


def test_nothing_in_the_front_end_makes_code_or_elements_of_text() -> None:
    scripts = [*(ROOT / "frontend" / "src").glob("*.js"), *STATIC.glob("*.js")]
    assert {"player.js", "gallery.js", "kernel.js"} <= {path.name for path in scripts}
    for path in scripts:
        assert not MAKES_CODE.findall(path.read_text(encoding="utf-8")), path.name


@pytest.mark.browser
@pytest.mark.parametrize("code", ["eval('1')", "document.body.innerHTML = '<b>x</b>'"])
def test_pages_of_tests_refuse_code_and_elements_of_text(
    code: str, chromium: Browser, spelled: Callable[..., Path]
) -> None:
    # So a player that tried it would fail in tests/widgets/test_view_browser.py and its like.
    view = open_view(chromium, vl.Video(spelled("mp4")))
    tried = view.page.evaluate(
        # Later, as what a debugger asks for itself is let through.
        f"""() => new Promise((tell) => setTimeout(() => {{
            try {{ {code}; tell("done"); }} catch (error) {{ tell(String(error)); }}
        }}))"""
    )
    assert "EvalError" in tried or "TrustedHTML" in tried
    view.page.close()


Ask = Callable[..., tuple[dict[str, Any], list[bytes]]]


@pytest.fixture
def ask(spelled: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """Ask a player's kernel as its page does; gives its answer's words and bytes."""
    player = vl.Player(vl.Video(spelled("mp4")))
    answers: dict[str, tuple[dict[str, Any], list[bytes]]] = {}
    told = threading.Condition()

    def hear(content: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        with told:
            if "progress" not in content:
                answers[content["id"]] = content, buffers or []
                told.notify_all()

    def asking(op: str, **more: Any) -> tuple[dict[str, Any], list[bytes]]:
        request = f"{op} {len(answers)}"
        player._handle_custom_msg({"id": request, "op": op, "page": "one", **more}, [])
        with told:
            assert told.wait_for(lambda: request in answers, timeout=60)
            return answers[request]

    monkeypatch.setattr(player, "send", hear)
    yield asking
    player.close()


def test_the_byte_channel_serves_only_the_video_it_was_given(
    ask: Ask, spelled: Callable[..., Path], tmp_path: Path
) -> None:
    content = spelled("mp4").read_bytes()
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(spelled("avi").read_bytes())
    more = dict.fromkeys(["path", "video", "source", "url", "name", "file"], str(secret))
    facts = ask("open", **more)[0]["result"]
    assert facts["num_bytes"] == len(content)
    for offset, length in [(0, 100), (50, 1000), (len(content) - 10, 100)]:
        _, (piece,) = ask("read", token=facts["token"], offset=offset, length=length, **more)
        assert piece == content[offset : offset + length]
    for offset, length in [(-5, 10), (len(content), 10), (2**63, 10), (0, 2**40)]:
        _, pieces = ask("read", token=facts["token"], offset=offset, length=length)
        assert not b"".join(pieces), (offset, length)
    for token in [str(secret), secret.as_uri(), "../secret.mp4", "/etc/passwd", ""]:
        for op, where in (("read", {"offset": 0, "length": 100}), ("segment", {"number": 0})):
            said, pieces = ask(op, token=token, **where, **more)
            assert "let go" in said["error"]["message"]
            assert not pieces
