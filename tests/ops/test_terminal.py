"""What commands show, on a terminal and away from one."""

import pytest

from ops import terminal

ADDRESS = "fd00:1234::11"


@pytest.mark.parametrize("terminal_or_not", [True, False])
def test_an_address_is_shown_as_it_is(capsys: pytest.CaptureFixture[str], *, terminal_or_not: bool) -> None:
    """A console of rich's own makes an emoji of `:1234:`."""
    terminal.console(force_terminal=terminal_or_not).print(f"host: {ADDRESS}")
    assert ADDRESS in capsys.readouterr().out


def test_away_from_a_terminal_one_line_says_what_is_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "ERR", terminal.console(stderr=True, force_terminal=False))
    with terminal.step(f"asking {ADDRESS}"):
        pass
    assert capsys.readouterr().err == f"asking {ADDRESS} ...\n"


def test_a_terminal_shows_it_until_it_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "ERR", terminal.console(stderr=True, force_terminal=True))
    with terminal.step(f"asking {ADDRESS}"):
        pass
    shown = capsys.readouterr().err
    assert ADDRESS in shown
    assert "\x1b" in shown
