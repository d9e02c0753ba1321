"""Why two records are not merged, split or restored."""

from ndx_chassis.errors import DomainError, Kind


class MergerNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "merger-not-found"
    title = "There is no such merger within what the agreement covers"
    title_vi = "Không tìm thấy đề nghị hợp nhất, tách hồ sơ"


class MergerStepRefused(DomainError):
    kind = Kind.CONFLICT
    code = "merger-step-refused"
    title = "The merger's state does not allow this step"
    title_vi = "Trạng thái đề nghị không cho phép bước này"


class SecondOfficerNeeded(DomainError):
    kind = Kind.FORBIDDEN
    code = "second-officer-needed"
    title = "Another officer than the one who proposed it must decide"
    title_vi = "Phải do cán bộ khác với người đề nghị quyết định"


class PersonAlreadyMerged(DomainError):
    kind = Kind.CONFLICT
    code = "person-already-merged"
    title = "One of the numbers leads to another person by now"
    title_vi = "Một trong hai số đã được thay bằng số của hồ sơ khác"


class MergerContradicted(DomainError):
    """The records cannot be of one person as they stand."""

    kind = Kind.CONFLICT
    code = "merger-contradicted"
    title = "What is on record contradicts that these are one person"
    title_vi = "Thông tin trong hồ sơ trái với việc đây là một người"
