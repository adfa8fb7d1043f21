from nanodefect_assets.domain.refusal import Refusal

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
