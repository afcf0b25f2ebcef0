"""What the API answers when it refuses."""


class ApiError(Exception):
    """A refusal: HTTP status, Salesforce's error code, and the message that the answer carries."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message = status, code, message

    def body(self) -> list[dict[str, str]]:
        """The answer's JSON: the real API sends a list."""
        return [{"message": self.message, "errorCode": self.code}]


def malformed(message: str, query: str, position: int) -> ApiError:
    """A query that is not SOQL; `position` is the offset of the word that does not fit."""
    return ApiError(400, "MALFORMED_QUERY", pointed(message, query, position))


def invalid_field(message: str, query: str, position: int) -> ApiError:
    """A query of something that does not exist, or that the user may not see."""
    return ApiError(400, "INVALID_FIELD", pointed(message, query, position))


def pointed(message: str, query: str, position: int) -> str:
    """The message below a part of the query with a mark under the wrong word, as the real API prints it."""
    start = max(0, position - 30)
    line = " ".join(query[start : position + 40].split("\n"))
    return f"\n{line}\n{' ' * (position - start)}^\nERROR at Row:1:Column:{position + 1}\n{message}"


class LoginError(Exception):
    """A login that is refused: OAuth's error code, and Salesforce's description of it."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code, self.description = code, description

    def body(self) -> dict[str, str]:
        """The answer's JSON."""
        return {"error": self.code, "error_description": self.description}
