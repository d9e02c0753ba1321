"""The QR of an identity card."""

import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_insurance_link.participants.card_qr import CardQrUnreadable, parse_card_qr

CARD = "079226000017||Nguyễn Minh Hòa|20112026|Nữ|Phường Sài Gòn, TP Hồ Chí Minh|24112026"


class TestParseCardQr:
    def test_number_name_and_birth_date_are_read(self) -> None:
        card = parse_card_qr(CARD)
        assert (card.personal_id, card.name, card.birth_date) == (
            "079226000017",
            "Nguyễn Minh Hòa",
            date(2026, 11, 20),
        )

    def test_the_other_form_of_dates_and_more_fields_are_accepted(self) -> None:
        card = parse_card_qr(CARD.replace("20112026", "20/11/2026") + "||Trần Văn A|Lê Thị B")
        assert card.birth_date == date(2026, 11, 20)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "079226000017",
            CARD.replace("079226000017", "79226000017"),
            CARD.replace("20112026", "31022026"),
            CARD.replace("20112026", "2026-11-20"),
            CARD.replace("Nguyễn Minh Hòa", "  "),
        ],
    )
    def test_anything_else_is_unreadable(self, text: str) -> None:
        with pytest.raises(CardQrUnreadable):
            parse_card_qr(text)

    @given(st.text(max_size=200))
    def test_no_text_makes_it_fail_in_another_way(self, text: str) -> None:
        with contextlib.suppress(CardQrUnreadable):
            parse_card_qr(text)
