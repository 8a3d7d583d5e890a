from clinic.core.exceptions import Full, NoSuchPatient


class Repository:
    patients: dict[str, str] = {}

    async def find(self, name: str) -> str:
        patient = self.patients.get(name)
        if patient is None:
            raise NoSuchPatient(name)
        return patient

    async def admit(self, name: str) -> None:
        if len(self.patients) > 10:
            raise Full("no bed")

    async def archive(self, name: str) -> None:
        raise NotImplementedError
