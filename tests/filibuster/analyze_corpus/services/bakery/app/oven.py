from . import errors


class Oven:
    def __init__(self, size):
        self.size = size
        self.inside = []

    @property
    def full(self):
        return len(self.inside) >= self.size

    def bake(self, what):
        if self.full:
            raise errors.OutOfFlour(what)
        try:
            self._heat()
        except errors.Burnt:
            self.inside.clear()

    def _heat(self):
        raise errors.Burnt()
