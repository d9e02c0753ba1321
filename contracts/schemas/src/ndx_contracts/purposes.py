"""The closed, versioned list of purposes for which personal data may be asked."""

from dataclasses import dataclass
from enum import StrEnum

PURPOSES_VERSION = 1


class Purpose(StrEnum):
    """Value of the `NDX-Purpose` header."""

    CIVIL_REGISTRATION = "CIVIL_REGISTRATION"
    RESIDENCE_MANAGEMENT = "RESIDENCE_MANAGEMENT"
    ELECTRONIC_IDENTIFICATION = "ELECTRONIC_IDENTIFICATION"
    SOCIAL_INSURANCE = "SOCIAL_INSURANCE"
    HEALTH_ENTITLEMENT = "HEALTH_ENTITLEMENT"
    TAX_ADMINISTRATION = "TAX_ADMINISTRATION"
    JUDICIAL_PROCEEDINGS = "JUDICIAL_PROCEEDINGS"
    CRIME_PREVENTION = "CRIME_PREVENTION"
    CREDIT_INSTITUTION_KYC = "CREDIT_INSTITUTION_KYC"
    TELECOM_SUBSCRIBER_KYC = "TELECOM_SUBSCRIBER_KYC"
    PUBLIC_SERVICE_DELIVERY = "PUBLIC_SERVICE_DELIVERY"
    STATISTICS = "STATISTICS"
    DATA_RECONCILIATION = "DATA_RECONCILIATION"


@dataclass(frozen=True, slots=True)
class PurposeTitle:
    """A purpose in words, for citizens and officers."""

    vi: str
    en: str


PURPOSE_TITLES: dict[Purpose, PurposeTitle] = {
    Purpose.CIVIL_REGISTRATION: PurposeTitle("Đăng ký hộ tịch", "Civil registration"),
    Purpose.RESIDENCE_MANAGEMENT: PurposeTitle("Quản lý cư trú", "Management of residence"),
    Purpose.ELECTRONIC_IDENTIFICATION: PurposeTitle("Định danh điện tử", "Electronic identification"),
    Purpose.SOCIAL_INSURANCE: PurposeTitle("Bảo hiểm xã hội", "Social insurance"),
    Purpose.HEALTH_ENTITLEMENT: PurposeTitle(
        "Kiểm tra quyền lợi khám chữa bệnh", "Check of health insurance entitlement"
    ),
    Purpose.TAX_ADMINISTRATION: PurposeTitle("Quản lý thuế", "Tax administration"),
    Purpose.JUDICIAL_PROCEEDINGS: PurposeTitle("Tố tụng tư pháp", "Judicial proceedings"),
    Purpose.CRIME_PREVENTION: PurposeTitle("Phòng, chống tội phạm", "Crime prevention"),
    Purpose.CREDIT_INSTITUTION_KYC: PurposeTitle(
        "Nhận biết khách hàng của tổ chức tín dụng", "Know-your-customer check of a credit institution"
    ),
    Purpose.TELECOM_SUBSCRIBER_KYC: PurposeTitle(
        "Xác thực thuê bao viễn thông", "Check of a telecom subscriber"
    ),
    Purpose.PUBLIC_SERVICE_DELIVERY: PurposeTitle("Giải quyết dịch vụ công", "Delivery of a public service"),
    Purpose.STATISTICS: PurposeTitle("Thống kê", "Statistics"),
    Purpose.DATA_RECONCILIATION: PurposeTitle("Đối soát dữ liệu", "Data reconciliation"),
}
