"""What can be wrong when a person is searched for or a record is matched."""

from ndx_chassis.errors import DomainError, Kind


class SearchTooBroad(DomainError):
    """More people fit than a search may show: nobody walks through the population."""

    kind = Kind.UNPROCESSABLE
    code = "search-too-broad"
    title = "More people fit than a search may show"
    title_vi = "Có quá nhiều người phù hợp với điều kiện tra cứu"

    def __init__(self) -> None:
        super().__init__("Give a fuller name, a fuller birth date, or a commune.")
