from fastapi import HTTPException, status


class ClinicError(HTTPException):
    status_code_default = status.HTTP_400_BAD_REQUEST

    def __init__(self, detail: str, status_code: int | None = None):
        super().__init__(status_code or self.status_code_default, detail)


class NoSuchPatient(ClinicError):
    status_code_default = status.HTTP_404_NOT_FOUND


class Full(ClinicError):
    status_code_default = status.HTTP_409_CONFLICT
