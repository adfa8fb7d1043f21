from nanodefect_assets.domain.refusal import Refusal, shortened

REFUSAL = Refusal("truncated_file", expected="800 bytes", got="12 bytes", file="8h/a.tif", advice="Copy it again.")


def test_a_refusal_reads_as_a_sentence():
    assert str(REFUSAL) == "8h/a.tif: expected 800 bytes, got 12 bytes. Copy it again."
    assert str(Refusal("x", expected="a", got="b")) == "expected a, got b."


def test_a_refusal_can_be_blamed_on_another_file():
    other = REFUSAL.about("b.tif")

    assert other.file == "b.tif"
    assert (other.reason, other.expected, other.got, other.advice) == (
        REFUSAL.reason,
        REFUSAL.expected,
        REFUSAL.got,
        REFUSAL.advice,
    )
    assert REFUSAL.file == "8h/a.tif"


def test_a_refusal_is_a_value_error_that_says_all_of_itself():
    assert isinstance(REFUSAL, ValueError)
    assert REFUSAL.args == ("truncated_file", "800 bytes", "12 bytes", "8h/a.tif", "Copy it again.")


def test_a_stop_is_said_once():
    assert str(Refusal("r", expected="this", got="batch: pd-1..", advice="Mend it.")) == (
        "expected this, got batch: pd-1. Mend it."
    )


def test_a_long_text_is_cut_between_words_and_seen_to_be_cut():
    assert shortened("a short text", 40) == "a short text"
    assert shortened("several words that go on", 16) == "several ..."
    assert shortened("x" * 100, 20) == "x" * 16 + " ..."
