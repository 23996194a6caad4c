class ParseError(Exception):
    def __init__(self, line, column):
        super().__init__(f"line {line}, column {column}")
        self.line = line


def work():
    raise ParseError(3, 7)
