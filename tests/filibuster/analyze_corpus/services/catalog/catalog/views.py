from flask import Blueprint

import catalog.answers
from catalog.answers import missing

views = Blueprint("views", __name__)


@views.get("/book/<int:number>")
def book(number):
    if number > 10:
        return missing("book")
    body, status = catalog.answers.overloaded() if number > 5 else ("a book", 200)
    return body, status
