import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from soltrace.reading.live.keyboard import decode


@pytest.mark.parametrize(
    "sent,keys",
    [
        ("\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"]),
        ("\x1bOA\x1bOB\x1bOH\x1bOF", ["up", "down", "home", "end"]),
        ("\x1b[H\x1b[F\x1b[1~\x1b[4~\x1b[7~\x1b[8~", ["home", "end", "home", "end", "home", "end"]),
        ("\x1b[5~\x1b[6~", ["page up", "page down"]),
        ("\x1b[1;5A\x1b[6;2~", ["up", "page down"]),
        ("\r\n\t\x7f\b\x15", ["enter", "enter", "tab", "backspace", "backspace", "clear"]),
        ("a?/ é日", ["a", "?", "/", " ", "é", "日"]),
        ("\x1b\x1b[A", ["esc", "up"]),
        ("\x1bq\x1b[2~\x1b[<0;3;4M\x1bOP\x00\x01\u202e", []),
    ],
    ids=ascii,
)
def test_keys_have_names(sent, keys):
    """Whatever a terminal sends for a key, it is the same key; what is none of ours is nothing."""
    assert decode(sent) == (keys, "")


@pytest.mark.parametrize("start", ["\x1b", "\x1b[", "\x1b[1;", "\x1bO"], ids=ascii)
def test_a_sequence_may_come_in_pieces(start):
    """What may go on is kept until it does, or until it is known that it does not."""
    assert decode("j" + start) == (["j"], start)
    assert decode("\x1b", whole=True) == (["esc"], "")


@example("\x1bO\x1b1", 3)
@given(st.text(st.sampled_from("\x1b[O1;~ABaq\r\x7f"), max_size=30), st.integers(0, 30))
def test_where_it_is_cut_makes_no_difference(sent, cut):
    """Keys are those of the whole, however it was read."""
    keys, rest = decode(sent[:cut])
    more, rest = decode(rest + sent[cut:])
    assert (keys + more, rest) == decode(sent)


@given(st.text(max_size=50))
def test_nothing_that_is_sent_does_harm(sent):
    """Each key is a name or one character that can be shown."""
    keys, rest = decode(sent, whole=True)
    assert rest == ""
    assert all(key.isprintable() for key in keys)
