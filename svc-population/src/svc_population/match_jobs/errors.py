"""What can be wrong with a file that is to be matched, and with asking for its result."""

from ndx_chassis.errors import DomainError, Kind


class MatchJobNotFound(DomainError):
    """No such job, or one of another agency: the answer is the same."""

    kind = Kind.NOT_FOUND
    code = "match-job-not-found"
    title = "There is no such match job"
    title_vi = "Không có tác vụ đối khớp này"


class MatchJobStateWrong(DomainError):
    kind = Kind.CONFLICT
    code = "match-job-state-wrong"
    title = "The match job is in a state that does not allow this"
    title_vi = "Trạng thái của tác vụ đối khớp không cho phép thao tác này"

    def __init__(self, state: str) -> None:
        super().__init__(f"The job is {state}.")


class PartDiffers(DomainError):
    kind = Kind.CONFLICT
    code = "part-differs"
    title = "This part came before with other content"
    title_vi = "Phần này đã được gửi trước đó với nội dung khác"


class PartDigestWrong(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "part-digest-wrong"
    title = "The part is not what its Content-Digest says"
    title_vi = "Nội dung phần tải lên không khớp với Content-Digest"


class FileIncomplete(DomainError):
    kind = Kind.CONFLICT
    code = "file-incomplete"
    title = "Parts of the file are missing, or their sizes do not add up"
    title_vi = "Tệp còn thiếu phần hoặc kích thước không khớp"


class FileFormatNotServed(DomainError):
    """The library that reads it is an extra that is not installed here."""

    kind = Kind.UNPROCESSABLE
    code = "file-format-not-served"
    title = "Files of this format are not read here"
    title_vi = "Hệ thống này không đọc tệp định dạng này"


class FileStorageFull(DomainError):
    kind = Kind.UNAVAILABLE
    code = "file-storage-full"
    title = "There is no room for files at the moment"
    title_vi = "Hệ thống tạm hết dung lượng lưu tệp"


class TooManyMatchJobs(DomainError):
    kind = Kind.TOO_MANY
    code = "too-many-match-jobs"
    title = "The agency has as many unfinished match jobs as it may"
    title_vi = "Cơ quan đã có quá nhiều tác vụ đối khớp chưa hoàn thành"


class BatchNotCovered(DomainError):
    """Consent is a matter of one person and one call: no file can carry it."""

    kind = Kind.FORBIDDEN
    code = "batch-not-covered"
    title = "Under an agreement that asks for consents no files are matched"
    title_vi = "Thỏa thuận yêu cầu sự đồng ý nên không được đối khớp theo tệp"


class BatchRowsExceeded(DomainError):
    """The rows of the day are used up; a job waits until the next day of Viet Nam."""

    kind = Kind.TOO_MANY
    code = "batch-rows-exceeded"
    title = "The agreement's batch rows of the day are used up"
    title_vi = "Đã dùng hết hạn mức số dòng đối khớp trong ngày"
