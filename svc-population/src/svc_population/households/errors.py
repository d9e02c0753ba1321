"""Why a change of a household is refused."""

from ndx_chassis.errors import DomainError, Kind


class HouseholdNotFound(DomainError):
    """There is none of this number, or the agreement does not reach it: the answer is the same."""

    kind = Kind.NOT_FOUND
    code = "household-not-found"
    title = "Household not found"
    title_vi = "Không tìm thấy hộ gia đình"


class MemberNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "household-member-not-found"
    title = "The person is no member of this household"
    title_vi = "Công dân không phải thành viên của hộ này"


class MemberElsewhere(DomainError):
    kind = Kind.CONFLICT
    code = "household-member-elsewhere"
    title = "The person is a member of a household already"
    title_vi = "Công dân đã là thành viên của một hộ"


class HeadNeeded(DomainError):
    kind = Kind.CONFLICT
    code = "household-head-needed"
    title = "The household would have members and no head"
    title_vi = "Hộ gia đình phải có chủ hộ"


class HouseholdDissolved(DomainError):
    kind = Kind.CONFLICT
    code = "household-dissolved"
    title = "The household has no members any more"
    title_vi = "Hộ gia đình đã giải thể"


class RelationsIncomplete(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "household-relations-incomplete"
    title = "Each member's relation to the head has to be stated, and one head"
    title_vi = "Phải nêu quan hệ với chủ hộ của từng thành viên và đúng một chủ hộ"


class HouseholdDatesInvalid(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "household-dates-invalid"
    title = "The day lies in the future, or before the person's birth or the present relation"
    title_vi = "Ngày không hợp lệ đối với hộ gia đình"


class HouseholdVersionConflict(DomainError):
    kind = Kind.PRECONDITION_FAILED
    code = "household-version-conflict"
    title = "The household was changed meanwhile"
    title_vi = "Hộ gia đình đã được thay đổi trong thời gian đó"
