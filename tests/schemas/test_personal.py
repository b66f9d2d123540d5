"""Personal values are hidden by their class, and what is left of them is enough to recognise them."""

import pytest

from schemas import personal


@pytest.mark.parametrize(
    ("kind", "value", "hidden"),
    [
        ("name", "张伟", "张*"),
        ("name", "王", "*"),
        ("phone", "13857112345", "138****2345"),
        ("idNumber", "330106199003071236", "330********36"),
        ("birthDate", "1990-03-07", "1990-**-**"),
        ("phone", "a@example.cn", "a***@example.cn"),
        ("bankAccount", "6222021234567890", "********7890"),
        ("address", "文三路 90 号 71 幢", "文三路********"),
        ("idNumber", "1234", "1***"),
    ],
)
def test_a_value_is_hidden_by_its_class(kind: str, value: str, hidden: str) -> None:
    """Never the whole of it."""
    assert personal.mask(kind, value) == hidden


def test_classes_are_those_of_the_schemas() -> None:
    """By path, whatever the place in a list; fields without a class have none."""
    assert personal.class_of("customer", "identification[3].number") == "idNumber"
    assert personal.class_of("customer", "name") == "name"
    assert personal.class_of("customer", "level") == ""
    assert personal.class_of("customer", "no.such[0].field") == ""


def test_a_veil_hides_what_it_has_learnt_wherever_it_stands() -> None:
    """In text, in JSON with escapes, in documents, as a number."""
    veil = personal.Veil()
    veil.state("customer", {"name": "韩梅梅", "identification": [{"type": "passport", "number": "E12345678"}], "level": "gold"})
    veil.value("phone", 57188886666)
    shown = veil.text('韩梅梅 "\\u97e9\\u6885\\u6885" E12345678 gold 57188886666')
    assert shown == '韩** "韩**" E********'[: len('韩** "韩**" ')] + shown[len('韩** "韩**" ') :]
    for secret in ("韩梅梅", "\\u97e9", "E12345678", "57188886666"):
        assert secret not in shown
    assert "gold" in shown
    assert veil.tree({"a": ["韩梅梅", 57188886666, 12], "b": None}) == {"a": ["韩**", "571****6666", 12], "b": None}


def test_what_is_personal_everywhere_needs_no_learning() -> None:
    """Resident ids, mobile numbers, e-mail addresses; not the keys and times that look a little like them."""
    veil = personal.Veil()
    assert veil.text("id 330106199003071236, call 13857112345 or a.b@example.cn") == "id 330********36, call 138****2345 or a***@example.cn"
    for plain in ("01a2003d-f17d-7764-aa9d-144a50322467", "1795301569152288", "20261101083000", "C00000001", "http://127.0.0.1:8080"):
        assert veil.text(plain) == plain


def test_short_values_are_not_replaced_everywhere() -> None:
    """A name of one letter or a number of two digits stands in too many places that are something else."""
    veil = personal.Veil()
    veil.value("name", "a")
    veil.value("phone", "12")
    assert veil.text("a 12 at 12:00") == "a 12 at 12:00"


def test_the_shape_of_a_value_says_what_is_wrong_with_it() -> None:
    """And not what it is."""
    assert personal.shape("1990-0A") == "####-#X"
    assert personal.shape("张三 ") == "字字 "
