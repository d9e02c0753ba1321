"""Field groups and purposes in the words of a citizen's page."""

from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.purposes import PURPOSE_TITLES, Purpose

from svc_population.disclosures.schemas import WordsOut

_GROUPS: dict[FieldGroup, tuple[str, str]] = {
    FieldGroup.BIRTH_NAME: ("Họ, chữ đệm và tên khai sinh", "Birth name"),
    FieldGroup.OTHER_NAME: ("Tên gọi khác", "Other name"),
    FieldGroup.PERSONAL_ID: ("Số định danh cá nhân", "Personal number"),
    FieldGroup.BIRTH_DATE: ("Ngày, tháng, năm sinh", "Date of birth"),
    FieldGroup.SEX: ("Giới tính", "Sex"),
    FieldGroup.BIRTH_PLACE: ("Nơi sinh", "Place of birth"),
    FieldGroup.BIRTH_REGISTRATION_PLACE: ("Nơi đăng ký khai sinh", "Place of birth registration"),
    FieldGroup.HOME_TOWN: ("Quê quán", "Home town"),
    FieldGroup.ETHNICITY: ("Dân tộc", "Ethnicity"),
    FieldGroup.RELIGION: ("Tôn giáo", "Religion"),
    FieldGroup.NATIONALITY: ("Quốc tịch", "Nationality"),
    FieldGroup.BLOOD_GROUP: ("Nhóm máu", "Blood group"),
    FieldGroup.LEGACY_ID_NUMBER: ("Số chứng minh nhân dân 09 số", "9-digit identity card number"),
    FieldGroup.CARD_HISTORY: ("Thẻ căn cước đã cấp", "Identity cards issued"),
    FieldGroup.FAMILY_RELATIONS: ("Cha, mẹ, vợ, chồng, con", "Parents, spouse, children"),
    FieldGroup.PERMANENT_RESIDENCE: ("Nơi thường trú", "Permanent residence"),
    FieldGroup.TEMPORARY_RESIDENCE: ("Nơi tạm trú", "Temporary residence"),
    FieldGroup.CURRENT_RESIDENCE: ("Nơi ở hiện tại", "Current place of living"),
    FieldGroup.TEMPORARY_ABSENCE: ("Tình trạng khai báo tạm vắng", "Declared temporary absence"),
    FieldGroup.RESIDENCE_FILE_NUMBER: ("Số hồ sơ cư trú", "Residence file number"),
    FieldGroup.MARITAL_STATUS: ("Tình trạng hôn nhân", "Marital status"),
    FieldGroup.RELATION_TO_HEAD: ("Mối quan hệ với chủ hộ", "Relation to the household head"),
    FieldGroup.HOUSEHOLD: ("Chủ hộ và các thành viên hộ gia đình", "Household"),
    FieldGroup.DEATH_OR_MISSING_DATE: ("Ngày chết hoặc mất tích", "Date of death or missing"),
    FieldGroup.CONTACT: ("Số điện thoại, thư điện tử", "Telephone and e-mail"),
    FieldGroup.OTHER_INFORMATION: ("Thông tin khác", "Other information"),
    FieldGroup.CIVIL_STATUS_RECORD: ("Thông tin hộ tịch", "Civil status record"),
    FieldGroup.INSURANCE_ENTITLEMENT: ("Quyền lợi bảo hiểm", "Insurance entitlement"),
    FieldGroup.TAX_REGISTRATION: ("Đăng ký thuế", "Tax registration"),
    FieldGroup.EID_ACCOUNT: ("Tài khoản định danh điện tử", "e-ID account"),
}


def field_group(code: str) -> WordsOut:
    """Return a field group in words; the code itself for one that is not known here."""
    try:
        vi, en = _GROUPS[FieldGroup(code)]
    except (ValueError, KeyError):
        vi = en = code
    return WordsOut(code=code, vi=vi, en=en)


def purpose(code: str) -> WordsOut:
    """Return a purpose in words; the code itself for one that is not known here."""
    try:
        title = PURPOSE_TITLES[Purpose(code)]
    except (ValueError, KeyError):
        return WordsOut(code=code, vi=code, en=code)
    return WordsOut(code=code, vi=title.vi, en=title.en)
