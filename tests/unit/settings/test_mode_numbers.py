import pytest

from deephemnma.core.error import InputError
from deephemnma.settings.animation import AnimationOptions
from deephemnma.settings.modes import parse_mode_numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7-9", (7, 8, 9)),
        ("7,8,11", (7, 8, 11)),
        ("12", (12,)),
        (" 7 - 8 , 20 ", (7, 8, 20)),
        ("11,7-8", (11, 7, 8)),
        ("7-7", (7,)),
    ],
)
def test_numbers_are_read_in_their_order(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_mode_numbers(text) == numbers


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "are written like"),
        ("7,", "are written like"),
        ("seven", 'not "seven"'),
        ("7-", "are written like"),
        ("-7", "are written like"),
        ("7.5", "are written like"),
        ("7-8-9", "are written like"),
        ("²", "are written like"),
        ("9-7", "backwards"),
        ("7,7", "once each"),
        ("7-9,8", "once each"),
        ("0-8", "numbered from 1"),
        ("0", "numbered from 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        parse_mode_numbers(text)
    assert "--modes" in str(caught.value)


def test_the_option_that_was_wrong_is_named() -> None:
    with pytest.raises(InputError, match="--animation-modes") as caught:
        AnimationOptions(animation_modes="auto")
    assert "--modes)" not in str(caught.value)
